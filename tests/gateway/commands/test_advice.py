"""Every kind of order that needs a person has its reason and its commands; the commands are there."""

import shlex
from typing import Any

import pytest
import typer

from gateway.__main__ import app
from gateway.commands import advice
from models import stuck
from models.status import Attention


@pytest.mark.parametrize("kind", Attention)
def test_no_kind_is_forgotten(kind: Attention) -> None:
    assert kind in stuck.WHY, "say why in WHY of models/stuck.py"
    assert advice.NEXT.get(kind), "say what to do in NEXT of gateway/commands/advice.py"


def test_no_kind_is_there_that_is_none() -> None:
    assert set(stuck.WHY) == set(advice.NEXT) == set(Attention)


STEPS = [step.command for steps in (*advice.NEXT.values(), advice.OTHERWISE) for step in steps]


@pytest.mark.parametrize("text", sorted(set(STEPS)))
def test_every_command_can_be_typed(text: str) -> None:
    """Parsed by the command line itself: its options are there, and nothing is missing."""
    words = shlex.split(text.replace("…", "why").format(id="1", provider="p", product="a", package="b"))
    command: Any = typer.main.get_command(app)
    assert words.pop(0) == "gateway"
    while commands := getattr(command, "commands", None):
        assert words[0] in commands, text
        command = commands[words.pop(0)]
    command.make_context("gateway", words)
