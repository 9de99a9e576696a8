"""The pins: each file against setup.cfg, against what its packages need, and against what is installed. No network."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DEPLOYED, DEVELOPED, COMPARED = (
    ROOT / name for name in ("requirements.txt", ".ci/requirements-dev.txt", ".ci/requirements-bench.txt")
)
TOOLS = ROOT / ".ci/requirements-tools.txt"
#: The extras of setup.cfg that each file pins.
EXTRAS = {DEPLOYED: ("deploy",), DEVELOPED: ("deploy", "dev"), COMPARED: ("deploy", "dev", "bench")}
FILES = (*EXTRAS, TOOLS)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

_SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
)
#: Where the gateway must be installable; `extra` is empty, because it is asked for by name.
ENVIRONMENTS: list[dict[str, str]] = [
    {**default_environment(), **system, "python_version": minor, "python_full_version": f"{minor}.{patch}"}
    for (minor, patch), system in product(
        (("3.11", 0), ("3.11", 9), ("3.12", 0), ("3.13", 0), ("3.14", 0)), _SYSTEMS
    )
]
#: For packages that are pinned for it alone.
WINDOWS = {
    "sys_platform": "win32",
    "platform_system": "Windows",
    "os_name": "nt",
    "platform_machine": "AMD64",
}


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a file."""

    version: str
    hashes: frozenset[str]
    requirement: Requirement

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether it is installed there."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(dict(environment))


@cache
def pins(file: Path) -> dict[str, Pin]:
    """What a file pins, by canonical name. Every line that is no comment must pin one version with its hashes."""
    found: dict[str, Pin] = {}
    for line in file.read_text().replace("\\\n", " ").splitlines():
        text, hashes = HASH.sub("", line).strip(), frozenset(HASH.findall(line))
        if not text or text.startswith("#"):
            continue
        requirement = Requirement(text)
        [exact] = requirement.specifier
        assert exact.operator == "==" and hashes, f"{file.name}: {text} is not pinned with hashes"
        found.setdefault(canonicalize_name(requirement.name), Pin(exact.version, hashes, requirement))
    return found


def asked(file: Path) -> list[Requirement]:
    """What setup.cfg asks for, with the extras of a file."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [
        config["options"]["install_requires"],
        *(config["options.extras_require"][extra] for extra in EXTRAS[file]),
    ]
    return [
        Requirement(line) for text in texts for line in text.splitlines() if line and not line.startswith("#")
    ]


@cache
def stated(name: str) -> tuple[Requirement, ...]:
    """What an installed package says that it needs; nothing of one that is pinned for another system only."""
    try:
        return tuple(map(Requirement, requires(name) or ()))
    except PackageNotFoundError:
        return ()


def needed(requirement: Requirement, environment: Mapping[str, str]) -> Iterator[Requirement]:
    """What an installed package needs there, for the extras that are asked for."""
    for each in stated(requirement.name):
        marker = each.marker
        if marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for extra in ("", *requirement.extras)
        ):
            yield each


def closure(wanted: Iterable[Requirement], environment: Mapping[str, str]) -> dict[str, list[Requirement]]:
    """Everything that is needed there, by canonical name, with each requirement for it."""
    found: dict[str, list[Requirement]] = {}
    waiting = [each for each in wanted if each.marker is None or each.marker.evaluate(dict(environment))]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, []).append(requirement)
        if (name, extras := frozenset(requirement.extras)) not in seen:
            seen.add((name, extras))
            waiting += needed(requirement, environment)
    return found


def named(file: Path) -> str:
    return file.name


@pytest.mark.parametrize("file", EXTRAS, ids=named)
def test_what_setup_cfg_asks_for_is_pinned_with_hashes(file: Path) -> None:
    """If this fails: `make requirements`."""
    found = pins(file)
    missing = [
        str(each)
        for each in asked(file)
        if (pin := found.get(canonicalize_name(each.name))) is None
        or not each.specifier.contains(pin.version)
    ]
    assert missing == []


@pytest.mark.parametrize("file", [DEPLOYED, DEVELOPED], ids=named)
@pytest.mark.parametrize(
    "environment",
    ENVIRONMENTS,
    ids=lambda each: f"{each['python_full_version']}-{each['sys_platform']}-{each['platform_machine']}",
)
def test_what_pinned_packages_need_is_pinned_too(file: Path, environment: Mapping[str, str]) -> None:
    """On every system; pip refuses to install anything else once hashes are required."""
    found = pins(file)
    for name, requirements in closure(asked(file), environment).items():
        assert name in found and found[name].holds(environment), name
        for each in requirements:
            assert each.specifier.contains(found[name].version, prereleases=True), str(each)


@pytest.mark.parametrize("file", [DEPLOYED, DEVELOPED], ids=named)
def test_nothing_is_pinned_that_nothing_needs(file: Path) -> None:
    every = [*ENVIRONMENTS, ENVIRONMENTS[0] | WINDOWS]
    assert pins(file).keys() - {name for each in every for name in closure(asked(file), each)} == set()


def test_the_tools_are_pinned_too() -> None:
    lines = (ROOT / ".ci/requirements-tools.in").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    found = pins(TOOLS)
    assert [str(each) for each in wanted if not each.specifier.contains(found[each.name].version)] == []


@pytest.mark.parametrize("name", pins(DEVELOPED))
def test_the_tests_run_on_what_is_pinned(name: str) -> None:
    """If this fails: `make .venv`."""
    pin = pins(DEVELOPED)[name]
    if pin.holds(default_environment()):
        assert version(name) == pin.version


def test_what_is_tested_is_what_is_deployed() -> None:
    """The same releases and the same files of them; what only the tests need may need one of them elsewhere, too."""
    tested, deployed = (
        {name: (pin.version, pin.hashes) for name, pin in pins(file).items()}
        for file in (DEVELOPED, DEPLOYED)
    )
    assert {name: pin for name, pin in deployed.items() if tested.get(name) != pin} == {}


def test_what_builds_the_project_is_pinned() -> None:
    """So that `pip install --no-build-isolation .` fetches nothing."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        builders = tomllib.load(file)["build-system"]["requires"]
    assert set(builders) <= {str(each) for each in asked(DEPLOYED)}


def test_the_tests_run_with_every_extra_for_users() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = {name: set(text.split("\n")) for name, text in config["options.extras_require"].items()}
    assert extras["sentry"] | extras["tracing"] <= extras["dev"]


class TestAudit:
    """.ci/audit, with a stand-in for pip-audit that prints what that does."""

    def audit(self, path: Path, printed: str, status: int) -> subprocess.CompletedProcess[str]:
        (path / "python").symlink_to(sys.executable)
        tool = path / "pip-audit"
        tool.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\nexit {status}\n")
        tool.chmod(0o755)
        command = [str(ROOT / ".ci/audit"), str(tool), "requirements.txt"]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    @pytest.mark.parametrize(
        "printed",
        ["", "Traceback (most recent call last):", '{"dependencies": [{"name": "x", "skip_reason": "…"}]}'],
        ids=["nothing", "an error", "every package skipped"],
    )
    def test_where_the_database_is_away_one_line_says_so(self, tmp_path: Path, printed: str) -> None:
        done = self.audit(tmp_path, printed, 1)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "audit: skipped, since no database of vulnerabilities could be reached\n"

    def test_a_known_vulnerability_fails(self, tmp_path: Path) -> None:
        vuln = '{"id": "PYSEC-1", "fix_versions": ["1.1"]}'
        done = self.audit(
            tmp_path, f'{{"dependencies": [{{"name": "x", "version": "1.0", "vulns": [{vuln}]}}]}}', 1
        )
        assert done.returncode == 1
        assert "audit: x 1.0: PYSEC-1, fixed in 1.1\n" in done.stdout

    def test_no_known_vulnerability_passes(self, tmp_path: Path) -> None:
        done = self.audit(tmp_path, '{"dependencies": [{"name": "x", "version": "1.0", "vulns": []}]}', 0)
        assert (done.returncode, done.stdout) == (0, "audit: 0 known vulnerabilities in 1 packages\n")
