"""Every kind of order that needs a person has its reason and its commands; the commands are there."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.__main__ import app
from gateway.commands import advice
from models import stuck
from models.status import Attention

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


@pytest.mark.parametrize("kind", Attention)
def test_no_kind_is_forgotten(kind: Attention) -> None:
    assert kind in stuck.WHY, "say why in WHY of models/stuck.py"
    assert advice.NEXT.get(kind), "say what to do in NEXT of gateway/commands/advice.py"
    assert f"\n### {kind}\n" in OPERATIONS.read_text(), "say why and what to do in docs/operations.md"


def test_no_kind_is_there_that_is_none() -> None:
    assert set(stuck.WHY) == set(advice.NEXT) == set(Attention)


STEPS = [step.command for steps in (*advice.NEXT.values(), advice.OTHERWISE) for step in steps]
#: Commands of the document: in a block without its comment, or in backticks; `complete|fail` is two.
WRITTEN = re.findall(r"(?:\$ |`)(gateway [a-z]+ [^`#\n]*[^`#\n ])", OPERATIONS.read_text())


def typed(text: str) -> list[str]:
    """The commands that `text` stands for, with something in each place that a person fills."""
    filled = re.sub(r"\bID\b", "1", text.replace("…", "why")).format(
        id="1", provider="p", product="a", package="b"
    )
    first = re.search(r"\S+\|\S+", filled)
    names = first[0].split("|") if first else [""]
    return [filled.replace(first[0], name) if first else filled for name in names]


def test_the_document_has_commands() -> None:
    assert len(WRITTEN) > 20


@pytest.mark.parametrize("text", sorted({*STEPS, *WRITTEN}))
def test_every_command_can_be_typed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by the command line itself: its options are there, and nothing is missing."""
    monkeypatch.chdir(tmp_path)
    for statement in ("FILE", "may.csv"):
        Path(statement).touch()
    for one in typed(text):
        words = shlex.split(one)
        command: Any = typer.main.get_command(app)
        assert words.pop(0) == "gateway"
        while commands := getattr(command, "commands", None):
            assert words[0] in commands, one
            command = commands[words.pop(0)]
        command.make_context("gateway", words)
