"""docs/protocols.md: its worked example works, and each key of a protocol file is explained once."""

import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.commands import protocol_files
from gateway.providers import kinds
from gateway.providers.base import About, Traces
from gateway.providers.described import schema, templates, values

from .conftest import Run

TEXT = Path(__file__).parents[3].joinpath("docs/protocols.md").read_text()
[FILE] = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
[SAMPLES] = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
#: The part of the document that explains a part of a file.
SECTIONS: dict[type[BaseModel], str] = {
    schema.ProtocolFile: "The file",
    schema.TraitsPart: "`[traits]`",
    schema.Reference: "`[reference]`",
    schema.Request: "A call",
    schema.Operation: "A call",
    schema.Step: "`steps`",
    values.Value: "A call",
    schema.Check: "`[check.many]`",
    schema.Many: "`[check.many]`",
    schema.Lines: "`lines`",
    schema.Catalogue: "`catalogue`",
    schema.Packages: "`catalogue`",
    schema.Rule: "A rule",
    schema.Read: "`read`",
    schema.Codes: "`codes`",
    schema.Decryption: "`codes`",
    schema.Callback: "`[callback]`",
    schema.Verify: "`[callback.verify]`",
    schema.Reply: "`[callback.reply]`",
}
MODELS = [
    each
    for each in (vars(schema) | vars(values)).values()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.model_fields
]


def explained(section: str) -> Counter[str]:
    """The keys that the tables of a section explain."""
    [body] = re.findall(rf"^### {re.escape(section)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return Counter(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE))


def own_keys(model: type[BaseModel]) -> set[str]:
    """As the file has them, without those that a part of another section has."""
    inherited = {name for base in model.__bases__ for name in getattr(base, "model_fields", {})}
    return {
        field.alias or name
        for name, field in model.model_fields.items()
        if name not in inherited or name in model.__annotations__
    }


@pytest.mark.parametrize("section", sorted(set(SECTIONS.values())))
def test_each_key_is_explained_once_and_no_other(section: str) -> None:
    keys = Counter(key for model, of in SECTIONS.items() if of == section for key in own_keys(model))
    assert explained(section) == keys


def test_each_part_of_a_file_has_a_section() -> None:
    assert set(MODELS) <= set(SECTIONS) | {BaseModel}


def test_each_filter_meaning_and_value_is_named() -> None:
    named = set(re.findall(r"`([\w.]+)`", TEXT))
    assert set(templates.FILTERS) <= named
    assert {*schema.Means, *About, *Traces} <= named
    assert named >= values.VALUES


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "topla.toml"
    path.write_text(FILE)
    path.with_suffix(".json").write_text(SAMPLES)
    return path


def test_the_example_reads_its_exchanges_as_the_document_says(run: Run, example: Path) -> None:
    tried = run("protocols", "try", str(example))
    assert (tried.code, tried.err) == (0, ""), tried.out
    assert {each.op for each in protocol_files.from_disk(example, None).run()} == {
        *("send", "check", "balance", "callback")
    }


def test_the_example_does_not_ship_and_can_be_added(cli: Run, example: Path) -> None:
    assert example.stem not in kinds.shipped()
    assert cli("protocols", "add", str(example)).code == 0
    saved = cli(
        *("providers", "add", "topla", "--adapter", "topla", "--base-url", "https://api.topla.example"),
        stdin='{"api_key": "k-1"}',
    )
    assert saved.code == 0 and "/callbacks/topla" in saved.out
    kinds.forget()
