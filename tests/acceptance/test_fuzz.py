"""A few inputs for each parser, in every run of the tests; `python -m tests.acceptance.fuzz` has many more."""

import mmap
import random
import time

import pytest

from tests.acceptance.fuzz import mutating, parsers, running
from tests.acceptance.fuzz.running import Parser

INPUTS = 200
PARSERS = list(parsers.parsers())


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_a_parser_takes_whatever_comes(parser: Parser) -> None:
    report = running.run(parser, "test", INPUTS)
    print(report.row())
    assert list(report.faults()) == []
    assert report.inputs == INPUTS and report.read, "nothing was read: the test shows little"
    assert not parser.errors or report.refused, "nothing was refused: the test shows little"


def test_the_same_seed_makes_the_same_inputs() -> None:
    made, again, other = (list(mutating.inputs([b"a=1&b=2", b"c"], seed, 200, 1000)) for seed in (1, 1, 2))
    assert made == again != other
    assert len(set(made)) > 100 and max(map(len, made)) <= 1000


def test_every_change_is_made() -> None:
    sample = b'{"a": 1, "b": [2, {"c": "x"}]}'
    for change in mutating.CHANGES:
        changed = set()
        for seed in range(20):
            change(random.Random(seed), data := bytearray(sample), [sample, b"another word"])
            changed.add(bytes(data))
        assert len(changed) > 3, change


def test_what_must_not_be_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(data: bytes) -> None:
        if data == b"slow":
            spent = time.process_time() + 0.03
            while time.process_time() < spent:
                pass
        if data == b"bug":
            raise KeyError(data)
        if data == b"refused":
            raise ValueError

    monkeypatch.setattr(running, "MOST_SECONDS", 0.02)
    parser = Parser("mine", [b"slow", b"bug", b"refused", b"read"], read, (ValueError,))
    report = running.run(parser, 1, 4)
    slow, bug = sorted(report.faults(), key=lambda fault: "KeyError" in fault)
    assert "took 0.0 s, 1 times, first of b'slow'" in slow
    assert "KeyError from test_fuzz.py" in bug and "b'bug'" in bug
    assert (report.read, report.refused.total()) == (2, 1)


def test_growth_is_noticed() -> None:
    kept: list[mmap.mmap] = []

    def grow(data: bytes) -> None:
        kept.append(mmap.mmap(-1, 2**20))  # what was free before would not show
        kept[-1].write(random.randbytes(2**20))

    parser = Parser("mine", [b"x"], grow)
    assert [fault for fault in running.run(parser, 1, 80).faults() if "the process grew by" in fault]
