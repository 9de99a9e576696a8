"""Every regular expression of the project, found in its source, and texts made to slow each of them down."""

import ast
import importlib
import re
import string
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What Python parses a pattern into; it has no public name.
_parser, _constants = re._parser, re._constants  # type: ignore[attr-defined]

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "actors", "models", "migrations")
#: Modules that read the environment when they are imported, or cannot be imported by name.
UNIMPORTED = ("actors", "migrations", "gunicorn.conf", "gateway.app")
#: Methods of `re` and of a pattern that look for it at one place, and those that look everywhere.
ANCHORED, SEARCHING = (
    frozenset({"match", "fullmatch"}),
    frozenset({"search", "sub", "subn", "split", "findall", "finditer"}),
)
METHODS = ANCHORED | SEARCHING
#: Most of its own words that are joined with others.
MAX_JOINED = 24
#: What a source has that makes a pattern or applies one; every worker reads them all, before any test.
WORD = re.compile(rf"\bre\b|\.(?:{'|'.join(sorted(METHODS))})\b")
#: One of each kind of character, and what ends a text so that it does not match after all.
KINDS, TAILS = "a1A _-.:/\n\u00e9\u200b\u0663", ("", "\x00!", "\x00a")


@dataclass(frozen=True)
class Pattern:
    """A pattern, and how the project applies it."""

    name: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]

    def apply(self, text: str) -> None:
        """Look for it in `text` in every way that the project does."""
        given = text if isinstance(self.pattern.pattern, str) else text.encode()
        for method in sorted(self.methods):
            if method in ("sub", "subn", "split", "findall", "finditer"):
                deque(self.pattern.finditer(given), maxlen=0)
            else:
                getattr(self.pattern, method)(given)


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Modules with patterns as (name, syntax tree); migrations and gunicorn's settings are modules too."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    for path in (*paths, ROOT / "gunicorn.conf.py"):
        text = path.read_text()
        if WORD.search(text):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(text)


def find() -> tuple[list[Pattern], list[str]]:
    """Every pattern of the project, and the functions that make theirs at run time."""
    trees = dict(sources())
    used = _methods_by_name(trees.values())
    found: list[Pattern] = []
    unknown: list[str] = []
    for module, tree in trees.items():
        names = _module_names(module, tree)
        compiled = list(_compiled(names))
        for name, pattern in compiled:
            found.append(Pattern(f"{module}.{name}", pattern, used.get(_last(name)) or SEARCHING))
        for call, method, function in _calls(tree):
            if method == "compile" and function is None and compiled:
                continue  # it is one of those above
            text = _value(call.args[0], names)
            if isinstance(text, (str, bytes)):
                methods = SEARCHING if method == "compile" else frozenset({method})
                found.append(Pattern(f"{module}:{call.lineno}", re.compile(text, _flags(call)), methods))
            else:
                unknown.append(f"{module}.{function}")
    return _unique(found), unknown


def _unique(found: list[Pattern]) -> list[Pattern]:
    """Each once: a name that is imported elsewhere is the same pattern."""
    seen: dict[tuple[Any, int], Pattern] = {}
    for each in found:
        key = (each.pattern.pattern, each.pattern.flags)
        known = seen.get(key)
        seen[key] = (
            each if known is None else Pattern(known.name, known.pattern, known.methods | each.methods)
        )
    return list(seen.values())


def _module_names(module: str, tree: ast.Module) -> Mapping[str, Any]:
    """What a module defines; of those that read the environment when imported, only patterns that are literals."""
    if module.startswith(UNIMPORTED) or module.endswith("__main__"):
        return dict(_assigned(tree))
    return vars(importlib.import_module(module))


def _assigned(tree: ast.Module) -> Iterator[tuple[str, re.Pattern[Any]]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args:
            text = _value(node.value.args[0], {})
            if ast.unparse(node.value.func) == "re.compile" and text is not None:
                yield ast.unparse(node.targets[0]), re.compile(text, _flags(node.value))


def _compiled(names: Mapping[str, Any]) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Compiled patterns of a module, in its classes and containers too."""
    for name, value in names.items():
        if isinstance(value, type):
            for inner, each in vars(value).items():
                yield from _in(f"{name}.{inner}", each)
        else:
            yield from _in(name, value)


def _in(name: str, value: Any) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, each in enumerate(value):
            yield from _in(f"{name}[{number}]", each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _in(f"{name}[{key!r}]", each)


def _methods_by_name(trees: Any) -> dict[str, frozenset[str]]:
    """How each name of a pattern is applied anywhere: `NAME.search(…)`, `module.NAME.search(…)`."""
    used: dict[str, set[str]] = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                target = node.value
                while isinstance(target, ast.Subscript):
                    target = target.value
                if isinstance(target, ast.Name):
                    used[target.id].add(node.attr)
                elif isinstance(target, ast.Attribute):
                    used[target.attr].add(node.attr)
    return {name: frozenset(methods) for name, methods in used.items()}


def _last(name: str) -> str:
    return name.partition("[")[0].rpartition(".")[2]


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, str | None]]:
    """Calls of functions of `re` that take a pattern, with its name and the function they stand in."""
    waiting: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while waiting:
        node, function = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in METHODS | {"compile"}
        ):
            yield node, node.func.attr, function
        waiting += [(child, function) for child in ast.iter_child_nodes(node)]


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """A literal, or what a name of the module stands for."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _flags(call: ast.Call) -> int:
    given = [each.value for each in call.keywords if each.arg == "flags"]
    given += [each for each in call.args[1:] if isinstance(each, ast.Attribute)]
    return sum(getattr(re, each.attr) for each in given if isinstance(each, ast.Attribute))


# --- texts


@dataclass(frozen=True)
class Text:
    """A text of any length: `piece` again and again, between a head and a tail."""

    head: str
    piece: str
    tail: str

    def of(self, size: int) -> str:
        """About `size` characters."""
        return self.head + self.piece * (size // len(self.piece)) + self.tail


def adversaries(pattern: re.Pattern[Any]) -> list[Text]:
    """Texts made of the pattern's own literals and classes: what begins it, repeated, or in front of what it skips."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = _parser.parse(
        text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    )
    words = list(dict.fromkeys(filter(None, (*_prefixes(tree), *_words(tree)))))
    fillers = _fillers(tree)
    pieces = [*words, *KINDS, *(f"{word} " for word in words)]
    pieces += [f"{word}{filler}" for word in words[:MAX_JOINED] for filler in fillers]
    pieces += [f"{one}{other}" for one in words[:6] for other in words[:6]]
    made = [Text("", piece, tail) for piece in pieces for tail in TAILS]
    made += [
        Text(word, filler, tail) for word in ("", *words[:MAX_JOINED]) for filler in fillers for tail in TAILS
    ]
    return list(dict.fromkeys(made))


def _fillers(tree: Any) -> list[str]:
    """Characters that the repeated parts of a pattern take."""
    found = [_sample(each[1][2]) for each in _walk(tree) if each[0] in _REPEATS]
    return list(dict.fromkeys([*filter(None, found), "a", "1", " "]))


_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a parsed pattern."""
    for part in tree:
        yield part
        for below in _below(part):
            yield from _walk(below)


def _below(part: tuple[Any, Any]) -> list[Any]:
    kind, value = part
    if kind in _REPEATS:
        return [value[2]]
    if kind is _constants.SUBPATTERN:
        return [value[3]]
    if kind is _constants.BRANCH:
        return list(value[1])
    if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [value[1]]
    if kind is _constants.ATOMIC_GROUP:
        return [value]
    return []


def _words(tree: Any) -> Iterator[str]:
    """Runs of literals, in each branch and repetition."""
    run = ""
    for part in tree:
        if part[0] is _constants.LITERAL:
            run += chr(part[1])
            continue
        if run:
            yield run
        run = ""
        for below in _below(part):
            yield from _words(below)
    if run:
        yield run


def _prefixes(tree: Any) -> Iterator[str]:
    """What matches the beginning of the pattern, up to each of its parts; each branch counts by itself."""
    found = ""
    for part in tree:
        for below in _below(part):
            for inner in _prefixes(below):
                yield found + inner
        found += _sample([part])
        yield found


def _sample(tree: Any) -> str:
    """A text that matches, or nearly."""
    return "".join(map(_one, tree))


def _one(part: tuple[Any, Any]) -> str:
    kind, value = part
    if kind in _REPEATS:
        return _sample(value[2]) * max(1, min(value[0], 50))
    if kind in (_constants.SUBPATTERN, _constants.ATOMIC_GROUP):
        return _sample(value[3] if kind is _constants.SUBPATTERN else value)
    found: dict[Any, Callable[[], str]] = {
        _constants.LITERAL: lambda: chr(value),
        _constants.IN: lambda: _member(value),
        _constants.BRANCH: lambda: _sample(value[1][0]),
        _constants.ANY: lambda: "a",
        _constants.NOT_LITERAL: lambda: "a",
    }
    return found.get(kind, lambda: "")()


def _member(kinds: Any) -> str:
    """A character of a class; letters and digits first."""
    member = re.compile(_class(kinds))
    candidates = string.ascii_letters + string.digits + string.printable + KINDS + "\x1b\x9b\u2010"
    return next((each for each in candidates if member.fullmatch(each)), "")


def _class(kinds: Any) -> str:
    text = ""
    for kind, value in kinds:
        if kind is _constants.NEGATE:
            text = "^"
        elif kind is _constants.LITERAL:
            text += re.escape(chr(value))
        elif kind is _constants.RANGE:
            text += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif kind is _constants.CATEGORY:
            text += _CATEGORIES[value]
    return f"[{text}]"


_CATEGORIES: dict[Any, str] = {
    _constants.CATEGORY_DIGIT: r"\d",
    _constants.CATEGORY_NOT_DIGIT: r"\D",
    _constants.CATEGORY_SPACE: r"\s",
    _constants.CATEGORY_NOT_SPACE: r"\S",
    _constants.CATEGORY_WORD: r"\w",
    _constants.CATEGORY_NOT_WORD: r"\W",
}
