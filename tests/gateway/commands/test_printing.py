"""What others wrote is printed as text, wherever it stands."""

import json
import unicodedata

import pytest

from gateway.commands import printing
from models import texts

HOSTILE = "".join(map(chr, [*range(32), *range(127, 160), 0x200B, 0x2028, 0x202E, 0x2066, 0xFEFF, 0xE0041]))


def hidden(text: str) -> list[str]:
    """The characters of `text` that a terminal obeys or that cannot be seen; the line's own end is none."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [each for each in text.removesuffix("\n") if unicodedata.category(each) in kinds]


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say(f"  player {HOSTILE}x", mark="\x1b[32mok \x1b[0m")
    printing.note(f"error: {HOSTILE}x")
    out, err = capsys.readouterr()
    assert out.startswith("ok   player ") and out.endswith("x\n")  # no terminal, no colours
    assert hidden(out) == hidden(err) == []


def test_a_cell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(("ID", "What"), [(1, f"a{HOSTILE}\x1b[2Jb"), (2, None)], empty="None.")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert [hidden(line) for line in lines] == [[], [], []]


def test_json_has_it_all_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    printing.as_json({"what": HOSTILE, "joined": "می\u200cخواهم", "lone": "\ud800"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"what": HOSTILE, "joined": "می\u200cخواهم", "lone": "\ud800"}
    assert [each for each in hidden(out) if each not in "\n" + texts.JOINERS] == []
