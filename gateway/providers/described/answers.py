"""What an answer, or a callback, means by the rules of a protocol file. Pure.

The rules stand in order, and the first one counts of which everything holds. Where none does, it is for the caller to
say what that means: never a refusal, and never that the order is unknown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from gateway.providers.described import decryption
from gateway.providers.described.schema import Codes, Means, Path, Read, Rule, word
from gateway.providers.described.templates import BadValue, Values
from models import codes as delivered
from models import texts

#: Levels of an answer that are read.
MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Meant:
    """What an answer says: what it means, and the parts that were read."""

    means: Means
    rule: Rule
    parts: Mapping[str, str]
    codes: tuple[delivered.Code, ...] = ()
    unreadable_code: bool = False


@dataclass(frozen=True)
class Answer:
    """An answer as rules see it: its status, its text, and the tree that JSON or XML is."""

    http: int
    text: str
    #: Whether it is the format that the file says; text always is.
    is_readable: bool
    tree: Any = None

    @cached_property
    def status(self) -> str:
        """The HTTP status as rules compare it."""
        return str(self.http)


def parse(kind: str, http: int, body: bytes) -> Answer:
    """The answer, read as the file says."""
    text = _decoded(body)
    try:
        if kind == "json":
            return Answer(http, text, True, json.loads(text, parse_float=Decimal))
        if kind == "xml":
            root = ElementTree.fromstring(text.strip())
            return Answer(http, text, True, {root.tag: _tree(root, MAX_DEPTH)})
    except (ValueError, RecursionError, ElementTree.ParseError, DefusedXmlException):
        return Answer(http, text, False)
    return Answer(http, text, bool(text.strip()))


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _tree(element: Any, depth: int) -> Any:
    """An element like an object of JSON: its children by name, those of one name as a list; one without any is text."""
    if depth == 0 or not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        value = _tree(child, depth - 1)
        if child.tag in found:
            known = found[child.tag]
            found[child.tag] = [*known, value] if isinstance(known, _Several) else _Several([known, value])
        else:
            found[child.tag] = value
        if isinstance(found[child.tag], list):
            found[child.tag] = _Several(found[child.tag])
    return found


class _Several(list[Any]):
    """Elements of one name."""


def meaning(
    answer: Answer,
    rules: Sequence[Rule],
    read: Read,
    codes: Codes | None,
    values: Values,
    *,
    tree: Any = None,
    expects: str = "auto",
) -> Meant | None:
    """What the first rule says that fits; None if none does. `tree` is the part that is meant, not the whole."""
    part = answer.tree if tree is None else tree
    for rule in rules:
        groups = _fits(rule, answer, part)
        if groups is not None:
            return _meant(rule, part, read.beside(rule.read), rule.codes or codes, groups, values, expects)
    return None


def _fits(rule: Rule, answer: Answer, tree: Any) -> Mapping[str, str] | None:
    """The groups of its pattern if everything holds that the rule says; else None."""
    if rule.http and not answer.status.startswith(rule.http):
        return None
    for path, words in rule.where:
        if tree is None or word(path.find(tree)) not in words:
            return None
    if rule.text is None:
        return {}
    return rule.text.search(answer.text if rule.text_of is None else text_at(rule.text_of, tree))


def _meant(
    rule: Rule,
    tree: Any,
    read: Read,
    codes: Codes | None,
    groups: Mapping[str, str],
    values: Values,
    expects: str,
) -> Meant:
    parts = {name: value for name, path in read if path is not None and (value := text_at(path, tree))} | {
        name: value for name, value in groups.items() if name in Read.model_fields
    }
    if rule.means not in (Means.COMPLETED, Means.PARTIAL):
        return Meant(rule.means, rule, parts)
    entries, is_sealed = ([groups], False) if "code" in groups else _entries(codes, tree, values)
    if codes and codes.otherwise and expects != "code":
        said = " ".join(str(each["code"]) for each in entries if each.get("code"))
        return Meant(rule.means, rule, {codes.otherwise: said} | parts if said else parts)
    found = delivered.read([each for each in entries if each])
    return Meant(rule.means, rule, parts, found.codes, found.unreadable or is_sealed)


def _entries(codes: Codes | None, tree: Any, values: Values) -> tuple[list[Mapping[str, Any]], bool]:
    """The codes as objects of code, pin, serial and expires_at, and whether one cannot be decrypted.

    One element alone counts as a list of it.
    """
    if codes is None:
        return [], False
    listed = tree if codes.each is None else codes.each.find(tree)
    found: list[Mapping[str, Any]] = []
    is_sealed = False
    for line in listed if isinstance(listed, list) else [listed]:
        entry = {
            name: _scalar(path.find(line))
            for name in ("code", "pin", "serial", "expires_at")
            if (path := getattr(codes, name)) is not None
        }
        entry = {name: value for name, value in entry.items() if value is not None}
        if codes.decrypt and entry.get("code"):
            try:
                entry["code"] = decryption.decrypt(codes.decrypt, str(entry["code"]), values)
            except BadValue:
                is_sealed = True
                continue
        if any(delivered.clean(str(value)) for value in entry.values()):
            found.append(entry)
    return found, is_sealed


def _scalar(value: Any) -> Any:
    """A list of one is what is in it."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return str(value) if isinstance(value, Decimal) else value


def text_at(path: Path, tree: Any) -> str:
    """What stands there as text; empty for what is not a text or a number."""
    value = _scalar(path.find(tree)) if tree is not None else None
    if isinstance(value, list):
        return " ".join(filter(None, (each.strip() for each in value if isinstance(each, str))))
    if value is None or isinstance(value, bool | dict):
        return ""
    return texts.clean(str(value), texts.MAX_READ).strip()
