"""One door: only settle.sql makes an order final. Every statement of `models` is read for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from models.status import is_open

MODELS = Path(models.__file__).parent
DOOR = "settle.sql"
#: A string in quotes, or a word of SQL outside of them; what is in parentheses is found by counting.
TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\w+|[^\s\w]""")
#: Words that end a list of assignments, or of columns, at the same depth of parentheses.
ENDS = {"from", "where", "returning", "on"}


def statements() -> Iterator[tuple[str, str]]:
    """(file, text) of each SQL file and of each string in a module; `…` stands for what an f-string puts in."""
    for path in sorted(MODELS.rglob("*.sql")):
        yield path.name, path.read_text()
    for path in sorted(MODELS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                yield path.name, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def written(sql: str) -> list[str]:
    """What a statement writes into "externalStatus", as SQL: the values of its assignments and insertions."""
    tokens = TOKEN.findall(re.sub(r"--[^\n]*", "", sql))
    found = []
    for index, token in enumerate(tokens):
        if token.lower() == "set":
            parts = listed(tokens[index + 1 :])
            found += [" ".join(part[2:]) for part in parts if part[:2] == ['"externalStatus"', "="]]
            found += [" ".join(part) for part in parts if part[:1] == ["("] and '"externalStatus"' in part]
        if [word.lower() for word in tokens[index : index + 3]] == ["insert", "into", "product_orders"]:
            found += inserted(tokens[index + 3 :])
    return found


def listed(tokens: list[str]) -> list[list[str]]:
    """The parts of a list with commas, up to where it ends."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth < 0 or (depth == 0 and token.lower() in ENDS):
            break
        if depth == 0 and token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def inserted(tokens: list[str]) -> list[str]:
    start = tokens.index("(")
    columns = [" ".join(part) for part in listed(tokens[start + 1 :])]
    if '"externalStatus"' not in columns:
        return []
    select = next(index for index, token in enumerate(tokens) if token.lower() in ("select", "values"))
    opening = 2 if tokens[select].lower() == "values" else 1
    return [" ".join(listed(tokens[select + opening :])[columns.index('"externalStatus"')])]


def final(value: str) -> bool:
    """Whether a value may be final: anything but an open status, spelled out."""
    return not value.startswith("'") or not is_open(value.strip("'"))


def test_only_settling_makes_an_order_final() -> None:
    found = {(file, value) for file, sql in statements() for value in written(sql) if final(value)}
    assert found == {(DOOR, 'CASE WHEN n . applies THEN n . status ELSE o . "externalStatus" END')}


def test_what_the_others_write_is_seen() -> None:
    found = {(file, value) for file, sql in statements() for value in written(sql) if not final(value)}
    assert found == {
        *(("claims.py", "'pending'"), ("claims.py", "'not_sent'")),
        *(("place.sql", "'not_sent'"), ("resolving.py", "'not_sent'")),
    }


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE product_orders SET "externalStatus" = 'failed', status = 'rejected' WHERE id = %(id)s""",
        """UPDATE product_orders AS o SET "nextCheckAt" = NULL, "externalStatus" = %(status)s RETURNING o.id""",
        """UPDATE product_orders SET late = (SELECT true FROM x), "externalStatus" = 'completed' FROM y""",
        """UPDATE product_orders SET ("externalStatus", status) = ('failed', 'rejected') WHERE id = %(id)s""",
        """INSERT INTO product_orders (id, "externalStatus") SELECT %(id)s, 'completed' FROM x""",
        """INSERT INTO product_orders (id, "externalStatus") VALUES (gen_random_uuid(), 'done')""",
        """WITH a AS (UPDATE product_orders SET "externalStatus" = … RETURNING id) SELECT id FROM a""",
    ],
)
def test_a_second_door_would_be_seen(sql: str) -> None:
    assert [value for value in written(sql) if final(value)]
