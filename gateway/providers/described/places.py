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
#: Characters of a path.
MAX_PATH = 500
#: How often what a path makes may hold what it is made of.
MAX_COPIES = 16
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
        if len(text) > MAX_PATH:
            raise BadPath(f"is longer than {MAX_PATH} characters")
        self.text = text
        self._names = text.split(".") if NAMES.fullmatch(text) else None
        try:
            self._parsed = jmespath.compile(text).parsed
        except JMESPathError as error:
            raise BadPath(f"is not a path (JMESPath): {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise BadPath("is nested too deeply") from None
        _check_size(self._parsed)

    def find(self, tree: Any) -> Any:
        """What stands there; None if nothing does, or if a function of the path does not take what does."""
        if self._names is not None:
            for name in self._names:
                tree = tree.get(name) if hasattr(tree, "get") else None
            return tree
        try:
            return _INTERPRETER.visit(self._parsed, tree)
        except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError):
            return None

    def text_in(self, tree: Any) -> str:
        """What stands there as text, several texts with blanks between; empty for an object or a boolean."""
        value = single(self.find(tree))
        if isinstance(value, list):
            value = " ".join(each.strip() for each in value if isinstance(each, str))
        if value is None or isinstance(value, bool | dict):
            return ""
        return texts.clean(str(value), texts.MAX_READ).strip()


def _check_size(parsed: Any) -> None:
    """Raises BadPath for what could make a small answer into a large one: time and memory would have no bound."""
    copies, waiting = 1, [parsed]
    while waiting:
        node = waiting.pop()
        waiting += filter(
            lambda child: isinstance(child, dict), node["children"]
        )  # those of a slice are numbers
        if node["type"] in ("multi_select_list", "multi_select_dict"):
            copies *= max(1, sum(each["type"] != "literal" for each in node["children"]))
        if node["type"] == "function_expression":
            if node["value"] == "join":
                raise BadPath("uses `join`; several texts are read with blanks between")
            copies *= 2 if node["value"] == "to_string" else 1
    if copies > MAX_COPIES:
        raise BadPath(f"could repeat parts of the answer more than {MAX_COPIES} times")


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
