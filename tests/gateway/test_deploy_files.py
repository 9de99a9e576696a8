"""`app.json`, by the rules of https://devcenter.heroku.com/articles/app-json-schema, and `bin/post_compile`."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.dev.stack import COMMANDS, ROOT
from gateway.settings import Settings, load

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
ProcessName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]+$")]
Size = Literal[
    "free", "eco", "hobby", "basic", "standard-1x", "standard-2x", "performance-m", "performance-l",
    "private-s", "private-m", "private-l", "shield-s", "shield-m", "shield-l",
]  # fmt: skip


class Rules(BaseModel):
    """An object with no other keys than these, and no other types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Variable(Rules):
    description: str | None = None
    value: str | None = None
    required: bool = True
    generator: Literal["secret"] | None = None


class Formation(Rules):
    quantity: Annotated[int, Field(ge=0)]
    size: Size | None = None


class Addon(Rules):
    plan: str
    as_: Annotated[str | None, Field(alias="as")] = None
    options: dict[str, Any] | None = None


class Buildpack(Rules):
    url: str


class Scripts(Rules):
    postdeploy: str | None = None
    pr_predestroy: Annotated[str | None, Field(alias="pr-predestroy")] = None


class Environments(Rules):
    test: dict[str, Any] | None = None
    review: dict[str, Any] | None = None


class Manifest(Rules):
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z\-_.]+", max_length=300)] | None = None
    description: str | None = None
    keywords: list[str] | None = None
    website: AnyUrl | None = None
    repository: AnyUrl | None = None
    logo: AnyUrl | None = None
    success_url: str | None = None
    scripts: Scripts | None = None
    env: dict[VariableName, str | Variable] = {}
    formation: dict[ProcessName, Formation] = {}
    addons: list[str | Addon] | None = None
    buildpacks: list[Buildpack] | None = None
    environments: Environments | None = None
    stack: Literal["heroku-20", "heroku-22", "heroku-24"] | None = None
    image: str | None = None


def written() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
    return document


def test_the_manifest_follows_the_schema() -> None:
    Manifest.model_validate(written())


@pytest.mark.parametrize(
    "wrong",
    [
        {"healthchecks": {"web": []}},
        {"env": {"lower": "x"}},
        {"env": {"PORT": {"value": 8000}}},
        {"formation": {"web": {"quantity": 1, "size": "huge"}}},
        {"formation": {"web": {"size": "basic"}}},
        {"buildpacks": ["heroku/python"]},
    ],
    ids=json.dumps,
)
def test_the_rules_find_what_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(copy.deepcopy(written()) | wrong)


def test_each_variable_is_one_that_the_gateway_reads() -> None:
    assert [name for name in written()["env"] if name.lower() not in Settings.model_fields] == []


def test_a_platform_asks_for_what_nothing_else_provides() -> None:
    asked = {
        name for name, each in written()["env"].items() if "value" not in each and each.get("required", True)
    }
    assert asked == {"ENCRYPTION_KEYS", "PUBLIC_URL"}


def test_values_are_valid_settings() -> None:
    load({name: each["value"] for name, each in written()["env"].items() if "value" in each}, require=())


def constant(file: str, name: str) -> int:
    """The number that a module gives this name; some modules cannot be imported here."""
    found = re.search(rf"^{name} = (\d+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert found, (file, name)
    return int(found[1])


def test_the_processes_of_a_small_plan_fit_twenty_database_connections() -> None:
    """Two processes of the web, a worker, a command, and one more: a release, or a person with psql."""
    web, worker = constant("gateway/app.py", "POOL_SIZE"), constant("actors/setup.py", "POOL_SIZE")
    commands = [constant(f"gateway/commands/{name}.py", "POOL_SIZE") for name in ("context", "doctor")]
    processes = Settings.model_fields["web_concurrency"].default
    assert processes * web + worker + max(commands) + 1 <= 20


def test_the_number_of_web_processes_tells_what_each_of_them_opens() -> None:
    web = constant("gateway/app.py", "POOL_SIZE")
    assert f"at most {web} database connections" in written()["env"]["WEB_CONCURRENCY"]["description"]


def test_it_runs_the_processes_of_the_procfile() -> None:
    assert set(written()["formation"]) == set(COMMANDS)


def test_post_compile_brings_the_command_of_the_procfile_and_fetches_nothing(tmp_path: Path) -> None:
    """The other steps of a platform, in their order: tests/acceptance/buildpack.py."""
    app, installed = tmp_path / "app", tmp_path / "installed"
    app.mkdir()
    for name in ("gateway", "actors", "models", "migrations", "bin"):
        shutil.copytree(ROOT / name, app / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "Procfile"):
        shutil.copy(ROOT / name, app)
    path = os.pathsep.join([str(installed / "bin"), str(Path(sys.executable).parent), "/usr/bin:/bin"])
    # Beside the installation that runs this test, which stays as it is.
    pip = {"PIP_PREFIX": str(installed), "PIP_IGNORE_INSTALLED": "1", "PIP_NO_INDEX": "1"}
    environ = {"PATH": path, "PYTHONPATH": str(app), **pip}

    subprocess.run(["bin/post_compile"], cwd=app, env=environ, check=True, timeout=60)

    release = re.search(r"^release: (\S+) (\S+)$", (app / "Procfile").read_text(), re.MULTILINE)
    assert release and shutil.which(release[1], path=path) == str(installed / "bin" / release[1])
    helped = subprocess.run(
        [*release.groups(), "--help"], cwd=app, env=environ, check=True, capture_output=True
    )
    assert b"database schema" in helped.stdout
    assert not (app / "build").exists()
