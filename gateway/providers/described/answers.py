"""What an answer, or a callback, means by the rules of a protocol file. Pure.

The rules stand in order, and the first one counts of which everything holds. Where none does, it is for the caller to
say what that means: never a refusal, and never that the order is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from defusedxml import DefusedXmlException, ElementTree

from gateway import log, strict_json
from gateway.providers.described import decryption
from gateway.providers.described.places import Number, Path, single, word
from gateway.providers.described.schema import Codes, Lines, Means, Operation, Read, Rule
from gateway.providers.described.templates import BadValue, Values
from models import codes as delivered
from models import masking

#: Levels of an XML answer that are read; what is deeper is text.
MAX_DEPTH = 40
DECODER = strict_json.decoder(parse_float=Number)

#: Parts of Read, by name; and one code, with what an answer says of it.
Parts = Mapping[str, str]
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meant:
    """What an answer says: what it means, and the parts that were read."""

    means: Means
    rule: Rule
    parts: Parts
    codes: tuple[delivered.Code, ...] = ()
    unreadable_code: bool = False


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


def parse(kind: str, http: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer, read as the file says."""
    text, later = _decoded(body), (headers or {}).get("Retry-After", "")
    try:
        if kind == "json":
            return Answer(http, text, True, DECODER.decode(text), later)
        if kind == "xml":
            root = ElementTree.fromstring(body.strip())
            return Answer(http, text, True, {root.tag: _tree(root, MAX_DEPTH)}, later)
    except (ValueError, LookupError, RecursionError, ElementTree.ParseError, DefusedXmlException):
        return Answer(http, text, False, None, later)
    is_text = bool(text.strip()) and not text.lstrip().startswith("<")
    return Answer(http, text, is_text, None, later)


def _decoded(body: bytes) -> str:
    """UTF-8, or windows-1254 as older Turkish servers send it."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("windows-1254", errors="replace")


def _tree(element: Any, depth: int) -> Any:
    """An element like an object of JSON: its children by name, those of one name as a list; one without any is text."""
    if depth == 0 or not len(element):
        return (element.text or "").strip()
    found: dict[str, list[Any]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(_tree(child, depth - 1))
    return {name: each[0] if len(each) == 1 else each for name, each in found.items()}


class Described(Protocol):
    """What a file says of an answer, of a line in it, or of a callback."""

    @property
    def rules(self) -> Sequence[Rule]: ...
    @property
    def read(self) -> Read: ...
    @property
    def codes(self) -> Codes | None: ...


def meaning(
    answer: Answer, operation: Operation, of_all_calls: Sequence[Rule], values: Values, expects: str
) -> Meant | None:
    """What the answer says about an order; None if no rule fits, or it has no line about the order.

    The order's names are in `values`.
    """
    whole = first(answer, answer.tree, operation, values, expects, before=of_all_calls)
    if operation.lines is None or whole is None or whole.means is not Means.OK:
        return whole
    return of_line(answer, operation, operation.lines, values, expects, may_be_alone=operation.lines.alone)


def of_line(
    answer: Answer,
    operation: Operation,
    lines: Lines,
    values: Values,
    expects: str,
    *,
    may_be_alone: bool = False,
) -> Meant | None:
    """What the line about an order says; None if there is none, or no rule fits."""
    described = lines.completed(operation)
    line = _line(described, answer.tree, values, may_be_alone=may_be_alone)
    return None if line is None else first(answer, line, described, values, expects)


def _line(lines: Lines, tree: Any, values: Values, *, may_be_alone: bool) -> Any:
    """The one line that names the order; if two do, neither is certain."""
    listed = tree if lines.each is None else lines.each.find(tree)
    if lines.keys is not None:
        return listed.get(values[lines.keys]) if isinstance(listed, dict) else None
    candidates = listed if isinstance(listed, list) else [] if listed is None else [listed]
    if may_be_alone and len(candidates) == 1:
        return candidates[0]
    name, place = ("reference", lines.read.reference) if lines.read.reference else ("own", lines.read.own)
    wanted = values[name]
    found = [each for each in candidates if place and wanted and place.text_in(each) == wanted]
    return found[0] if len(found) == 1 else None


def first(
    answer: Answer,
    tree: Any,
    described: Described,
    values: Values,
    expects: str = "auto",
    *,
    before: Sequence[Rule] = (),
) -> Meant | None:
    """What the first rule says that fits; None if none does. `tree` is what paths begin at."""
    for rule in (*before, *described.rules):
        groups = _fits(rule, answer, tree)
        if groups is not None:
            read = described.read.beside(rule.read)
            parts = {name: text for name, path in read.said() if (text := path.text_in(tree))}
            parts |= {name: text for name, text in groups.items() if name in Read.model_fields}
            if rule.means in (Means.COMPLETED, Means.PARTIAL):
                return _delivery(rule, rule.codes or described.codes, tree, parts, groups, values, expects)
            return Meant(rule.means, rule, parts)
    return None


def _delivery(
    rule: Rule,
    codes: Codes | None,
    tree: Any,
    parts: Parts,
    groups: Parts,
    values: Values,
    expects: str,
) -> Meant:
    found, is_sealed = ([groups], False) if "code" in groups else _entries(codes, tree, values)
    if codes and codes.otherwise and expects != "code":
        found, parts = _words_or_codes(found, parts, codes.otherwise, expects)
    read = delivered.read(found)
    return Meant(rule.means, rule, parts, read.codes, read.unreadable or is_sealed)


def _fits(rule: Rule, answer: Answer, tree: Any) -> Mapping[str, str] | None:
    """The groups of its pattern if everything holds that the rule says; else None."""
    if rule.http and not str(answer.http).startswith(rule.http):
        return None
    if rule.where and (tree is None or not all(word(path.find(tree)) in words for path, words in rule.where)):
        return None
    if rule.text is None:
        return {}
    return rule.text.search(rule.text_of.text_in(tree) if rule.text_of else answer.text)


def _words_or_codes(
    found: Sequence[Entry], parts: Parts, otherwise: str, expects: str
) -> tuple[Sequence[Entry], Parts]:
    """The codes, and the parts, of what may be either. A code is never a receipt, which everyone may see."""
    said = [each.get("code") for each in found]
    if not said or not all(isinstance(each, str) for each in said):
        return found, parts
    with_words = {otherwise: " ".join(map(str, said)), **parts}
    if expects == "auto" and all(_looks_like_code(str(each)) for each in said):
        return found, (parts if otherwise == "receipt" else with_words)
    return [], with_words


def _looks_like_code(text: str) -> bool:
    """Whether nothing of it would be shown in a message."""
    return masking.mask(text) == log.MASKED


def _entries(codes: Codes | None, tree: Any, values: Values) -> tuple[Sequence[Entry], bool]:
    """The codes as objects of code, pin, serial and expires_at, and whether one cannot be decrypted."""
    if codes is None:
        return [], False
    listed = codes.each.find(tree) if codes.each else tree
    found: list[Entry] = []
    is_sealed = False
    for line in listed if isinstance(listed, list) else [listed]:
        entry = {name: single(path.find(line)) for name, path in _parts(codes) if path is not None}
        if codes.decrypt and entry.get("code"):
            try:
                entry["code"] = decryption.decrypt(codes.decrypt, str(entry["code"]), values)
            except BadValue:
                is_sealed = True
                continue
        if any(value is not None and delivered.clean(str(value)) for value in entry.values()):
            found.append({name: value for name, value in entry.items() if value is not None})
    return found, is_sealed


def _parts(codes: Codes) -> Sequence[tuple[str, Path | None]]:
    return (
        ("code", codes.code),
        ("pin", codes.pin),
        ("serial", codes.serial),
        ("expires_at", codes.expires_at),
    )
