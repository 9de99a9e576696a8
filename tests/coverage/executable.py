"""Which lines of a file can run: those that the compiler has made instructions of.

Not counted:
- statements that are only a constant: docstrings, and the `...` of a Protocol;
- what stands under `if TYPE_CHECKING`;
- annotations that Python 3.14 evaluates on demand.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType


def executable(path: Path) -> dict[int, str]:
    """The numbers of the lines that can run, each with the function or class that it stands in ("" for none)."""
    source = path.read_text()
    tree = ast.parse(source)
    skipped = set(_not_counted(tree))
    last = len(source.splitlines())
    lines: dict[int, str] = {}
    for code in _codes(compile(source, str(path), "exec", dont_inherit=True)):
        # A comprehension and a lambda belong to their function, `def` to what it stands in.
        within = code.co_qualname.partition(".<locals>.<")[0]
        for _, _, number in code.co_lines():
            if number and number <= last and number not in skipped:
                lines.setdefault(number, "" if within.startswith("<") else within)
    return dict(sorted(lines.items()))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_name != "__annotate__":
            yield from _codes(inner)


def _not_counted(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                yield from range(node.lineno, node.end_lineno + 1)
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from range(node.body[0].lineno, node.body[-1].end_lineno + 1)
