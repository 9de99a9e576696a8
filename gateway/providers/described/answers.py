"""What an answer, or a callback, means by the rules of a protocol file. Pure.

The rules stand in order, and the first one counts of which everything holds. Where none does, it is for the caller to
say what that means: never a refusal, and never that the order is unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from gateway import log, strict_json
from gateway.providers.described import decryption
from gateway.providers.described.places import Number, single, word
from gateway.providers.described.schema import Callback, Codes, Lines, Means, Operation, Read, Rule
from gateway.providers.described.templates import BadValue, Made
from models import codes as delivered
from models import masking

#: Levels of an XML answer that are read; what is deeper is text.
MAX_DEPTH = 40
DECODER = strict_json.decoder(parse_float=Number)

#: Parts of Read, by name; and one code, with what an answer says of it.
Parts = Mapping[str, str]
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as rules see it: its status, its text, and the tree that JSON or XML is."""

    http: int
    text: str
    #: Whether it is the format that the file says; text is, unless it is empty or a page.
    is_readable: bool
    tree: Any = None
    #: Seconds in its header Retry-After.
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    """What an answer says: the rule that fits, and the parts that were read, by the names of Read."""

    rule: Rule
    parts: Parts
    codes: tuple[delivered.Code, ...] = ()
    unreadable_code: bool = False

    @property
    def means(self) -> Means:
        return self.rule.means


class Element(str):
    """The text of an XML element that has attributes: a path finds them in it, by their names."""

    def __new__(cls, text: str, attributes: Mapping[str, str]) -> "Element":
        made = super().__new__(cls, text)
        made.get = dict(attributes).get
        return made

    get: Callable[[str], str | None]


def parse(
    kind: str, http: int, body: bytes, headers: Mapping[str, str] | None = None, columns: str | None = None
) -> Answer:
    """The answer, read as the file says. Text with `columns` between its parts is a list of lines, which are lists."""
    text, later = _decoded(body), (headers or {}).get("Retry-After", "")
    try:
        if kind == "json":
            return Answer(http, text, True, DECODER.decode(text), later)
        if kind == "xml":
            root = ElementTree.fromstring(body.strip())
            return Answer(http, text, True, {root.tag: _tree(root, MAX_DEPTH)}, later)
    except (ValueError, LookupError, RecursionError, ElementTree.ParseError, DefusedXmlException):
        return Answer(http, text, False, None, later)
    lines = [line.split(columns) for line in text.splitlines() if line.strip()] if columns else None
    return Answer(http, text, bool(text.strip()) and not text.lstrip().startswith("<"), lines, later)


def _decoded(body: bytes) -> str:
    """UTF-8, or windows-1254 as older Turkish servers send it."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("windows-1254", errors="replace")


def _tree(element: Any, depth: int) -> Any:
    """An element like an object of JSON: its attributes and children by name, children of one name as a list.

    One without children is text.
    """
    if depth == 0 or not len(element):
        text = (element.text or "").strip()
        return Element(text, element.attrib) if element.attrib else text
    found: dict[str, list[Any]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(_tree(child, depth - 1))
    return {**element.attrib, **{name: each[0] if len(each) == 1 else each for name, each in found.items()}}


def meaning(operation: Operation, answer: Answer, values: Made, expects: str = "auto") -> Meant | None:
    """What the answer says about the order of `values`; None if no rule fits, or it has no line about the order."""
    whole = first(operation, answer, answer.tree, values, expects)
    if operation.lines is None or whole is None or whole.means is not Means.OK:
        return whole
    return of_line(operation.lines, answer, values, expects, is_single=True)


def of_line(
    lines: Lines, answer: Answer, values: Made, expects: str, *, is_single: bool = False
) -> Meant | None:
    """What the line about the order says; None if there is none, or no rule fits.

    `is_single` says that the answer is about this order alone.
    """
    line = _line(lines, answer.tree, values, is_single)
    return None if line is None else first(lines, answer, line, values, expects)


def _line(lines: Lines, tree: Any, values: Made, is_single: bool) -> Any:
    """The one line that names the order; if two do, neither is certain."""
    listed = lines.each.find(tree) if lines.each else tree
    if lines.keys:
        return listed.get(values[lines.keys]) if isinstance(listed, dict) else None
    found = listed if isinstance(listed, list) else [listed]
    place = lines.read.reference or lines.read.own
    wanted = values["reference" if lines.read.reference else "own"]
    if is_single and lines.alone and len(found) == 1 and not (place and wanted and place.text_in(found[0])):
        return found[0]
    found = [each for each in found if place and wanted and place.text_in(each) == wanted]
    return found[0] if len(found) == 1 else None


def first(
    described: Operation | Lines | Callback, answer: Answer, tree: Any, values: Made, expects: str = "auto"
) -> Meant | None:
    """What the first rule says that fits; None if none does. `tree` is what paths begin at."""
    rule, groups = _fitting(described.rules, answer, tree)
    if rule is None:
        return None
    places, codes = described.read.places | (rule.read.places if rule.read else {}), described.codes
    parts: Parts = {
        **{name: text for name, path in places.items() if (text := path.text_in(tree))},
        **{name: text for name, text in groups.items() if name in Read.model_fields},
    }
    if rule.means not in (Means.COMPLETED, Means.PARTIAL):
        return Meant(rule, parts)
    found, is_sealed = ([groups], False) if "code" in groups else _entries(codes, tree, values)
    if codes and codes.otherwise and expects != "code":
        found, parts = _words_or_codes(found, parts, codes.otherwise, expects)
    read = delivered.read(found)
    return Meant(rule, parts, read.codes, read.unreadable or is_sealed)


def _fitting(rules: Sequence[Rule], answer: Answer, tree: Any) -> tuple[Rule | None, Parts]:
    """The first rule of which everything holds, and the groups of its pattern."""
    words: dict[str, str] = {}
    for rule in rules:
        groups = _fits(rule, answer, tree, words)
        if groups is not None:
            return rule, groups
    return None, {}


def _fits(rule: Rule, answer: Answer, tree: Any, words: dict[str, str]) -> Parts | None:
    """The groups of its pattern if everything holds that the rule says; else None. `words` are those seen before."""
    if rule.http and not str(answer.http).startswith(rule.http):
        return None
    if rule.where and tree is None:
        return None
    for path, wanted in rule.where.items():
        if path.text not in words:
            words[path.text] = word(path.find(tree))
        if words[path.text] not in wanted:
            return None
    if rule.text is None:
        return {}
    return rule.text.search(rule.text_of.text_in(tree) if rule.text_of else answer.text)


def _words_or_codes(
    found: Sequence[Entry], parts: Parts, otherwise: str, expects: str
) -> tuple[Sequence[Entry], Parts]:
    """The codes, and the parts, of what may be either. A code is never a receipt, which everyone may see.

    It is a code if nothing of it would be shown in a message.
    """
    said = [each["code"] for each in found if isinstance(each.get("code"), str)]
    if not said or len(said) < len(found):
        return found, parts
    with_words = {otherwise: " ".join(said), **parts}
    if expects == "auto" and all(masking.mask(each) == log.MASKED for each in said):
        return found, (parts if otherwise == "receipt" else with_words)
    return [], with_words


def _entries(codes: Codes | None, tree: Any, values: Made) -> tuple[Sequence[Entry], bool]:
    """The codes as objects of code, pin, serial and expires_at, and whether one cannot be decrypted."""
    if codes is None:
        return [], False
    listed = codes.each.find(tree) if codes.each else tree
    found: list[Entry] = []
    is_sealed = False
    for line in listed if isinstance(listed, list) else [listed]:
        entry = {name: single(path.find(line)) for name, path in codes.places.items()}
        if codes.decrypt and entry.get("code"):
            try:
                entry["code"] = decryption.decrypt(codes.decrypt, str(entry["code"]), values)
            except BadValue:
                is_sealed = True
                continue
        if any(value is not None and delivered.clean(str(value)) for value in entry.values()):
            found.append({name: value for name, value in entry.items() if value is not None})
    return found, is_sealed
