"""Everything that the system has kept, shown or told, as text, and the search in it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import redis
from psycopg2 import sql

from tests.acceptance.canaries.secret import Belongs, Canary, allowance

#: Characters shown around a find.
AROUND = 120
#: Every table of the database but PostgreSQL's own.
TABLES = """
SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
ORDER BY schemaname, tablename
"""
#: Binary columns are shown in hexadecimal.
ESCAPED = re.compile(r"\\x((?:[0-9a-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Text:
    """Something that was kept or shown, and where."""

    place: str
    content: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found."""

    #: Every canary where it does not belong, with what stands around it.
    hits: list[str]
    #: What was allowed, and happened.
    used: set[Belongs]


def search(texts: Iterable[Text], canaries: Sequence[Canary]) -> Found:
    """Look for each canary in each place."""
    places: dict[str, list[str]] = {}
    for text in texts:
        places.setdefault(text.place, []).append(text.content)
    found = Found([], set())
    for place, contents in places.items():
        content = "\n".join(contents)
        lower = content.lower()
        for canary in canaries:
            if (at := canary.found_in(content, lower)) < 0:
                continue
            if allowed := allowance(canary, place):
                found.used.add(allowed)
            else:
                around = content[max(0, at - AROUND) : at + AROUND]
                found.hits.append(f"{place}: {canary.name}: …{around}…")
    return found


def tables(url: str) -> Iterator[Text]:
    """Every column of every row of every table, as text; of one that is binary what it may say too."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table)))
            names = [column.name for column in cursor.description or ()]
            cursor.execute(
                sql.SQL("SELECT {} FROM {}").format(
                    sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
                    sql.Identifier(schema, table),
                )
            )
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    yield Text(f"{schema}.{table}.{name}", _with_bytes(value or ""))


def _with_bytes(value: str) -> str:
    decoded = [bytes.fromhex(found[1]).decode(errors="replace") for found in ESCAPED.finditer(value)]
    return "\n".join([value, *decoded])


def keys(client: "redis.Redis[bytes]") -> Iterator[Text]:
    """Every key of Redis, in all its databases, with all that is under it."""
    for database in range(16):
        client.execute_command("SELECT", database)
        for key in client.scan_iter(count=1000):
            content = b"\n".join([key, *_content(client, key)]).decode(errors="replace")
            yield Text(f"Redis {database}", content)
    client.execute_command("SELECT", 0)


def _content(client: "redis.Redis[bytes]", key: bytes) -> list[bytes]:
    reads = {
        b"string": lambda: [client.get(key) or b""],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: list(client.smembers(key)),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: [each for pair in client.hgetall(key).items() for each in pair],
        b"stream": lambda: [repr(client.xrange(key)).encode()],
        b"none": list,
    }
    return [bytes(each) for each in reads[client.type(key)]()]


def logs(directory: Path) -> Iterator[Text]:
    """What every process wrote."""
    for path in sorted(directory.glob("*.log")):
        yield Text(f"log of {path.stem}", path.read_text(errors="replace"))
