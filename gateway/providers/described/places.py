"""Places in an answer, and what stands there. Pure."""

import re
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from gateway.inputs import exact
from models import texts

#: A path of names alone, as most are, takes a tenth of the time when it is walked here.
NAMES = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_INTERPRETER = TreeInterpreter()


class BadPath(ValueError):
    """A path cannot be used; the message says why."""


class Number(float):
    """A number of JSON with a point or an exponent, which keeps the digits that were sent."""

    text: str

    def __new__(cls, text: str) -> "Number":
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text


class Path:
    """A place in the answer, as JMESPath. XML is read like JSON: elements are names, repeated ones are lists."""

    def __init__(self, text: object) -> None:
        if not isinstance(text, str):
            raise BadPath("must be a path in quotes")
        self.text = text
        self._names = text.split(".") if NAMES.fullmatch(text) else None
        try:
            self._parsed = jmespath.compile(text).parsed
        except JMESPathError as error:
            raise BadPath(f"is not a path (JMESPath): {str(error).splitlines()[0]}") from None

    def find(self, tree: Any) -> Any:
        """What stands there; None if nothing does, or if a function of the path does not take what does."""
        if self._names is not None:
            for name in self._names:
                tree = tree.get(name) if hasattr(tree, "get") else None
            return tree
        try:
            return _INTERPRETER.visit(self._parsed, tree)
        except (JMESPathError, ArithmeticError, TypeError, ValueError):
            return None

    def text_in(self, tree: Any) -> str:
        """What stands there as text, several texts with blanks between; empty for an object or a boolean."""
        value = single(self.find(tree))
        if isinstance(value, list):
            value = " ".join(each.strip() for each in value if isinstance(each, str))
        if value is None or isinstance(value, bool | dict):
            return ""
        return texts.clean(str(value), texts.MAX_READ).strip()


def single(value: Any) -> Any:
    """What is in a list of one; anything else as it is."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def word(value: Any) -> str:
    """A value of an answer or of a rule as the two are compared: without regard to case; nothing is an empty word."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(exact(value)).strip().casefold()
