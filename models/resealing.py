"""Sealing everything that is stored under the first key of ENCRYPTION_KEYS, while the gateway runs.

Every value keeps its owner, so that one that was moved from another row stays refused. What a digest of a code is
compared with changes with the key, so digests are made anew beside their codes. A row that a process changes at the
same moment is read again. A table whose rows are copied into another one comes before that. A code in "pinCode" of the
orders table that is to stand there in clear by now (`pins`) is opened; one that stands there in clear stays so.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee

from models import codes
from models.db import database, pins, sealed
from models.outcome import owner
from models.stock import owner as owner_of_stock

#: Rows read and written in one transaction; a raw callback has up to about 100 kB.
BATCH = 200
#: Times that a row is read again because a process changes it.
TRIES = 5
#: Values that could not be sealed again of which the place is told.
NAMED = 50

#: A row's values by column.
Row = dict[str, Any]


@dataclass(slots=True)
class Report:
    """What became of the sealed values."""

    #: Sealed again, or with a digest made anew.
    renewed: int = 0
    #: Under the first key already.
    current: int = 0
    #: No key opens them, or they are damaged or belong to another row. They stay as they are.
    left: int = 0
    #: Where the first of these are, and why.
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with sealed values."""

    name: str
    #: Its primary key: columns and their types.
    key: tuple[tuple[str, str], ...]
    #: Columns that hold sealed values, or digests of what is sealed, and their types.
    columns: tuple[tuple[str, str], ...]
    #: Columns that tell whose the values are.
    beside: tuple[str, ...]
    #: The new values of the columns of a row.
    renew: Callable[["_Renewal", Row], Row]

    def read(self) -> str:
        """The next rows, by key."""
        return f"""
SELECT {self._shown()} FROM {self.qualified} AS t
WHERE %(after)s::text[] IS NULL OR ({self._key()}) > ({self._after()})
ORDER BY {self._key()} LIMIT {BATCH}
"""

    @property
    def qualified(self) -> str:
        """Its name in a statement."""
        return self.name if self.name == "product_orders" else f"referans.{self.name}"

    def read_again(self) -> str:
        """The rows of some keys."""
        keys = ", ".join(_array(name, kind) for name, kind in self.key)
        return f"""
SELECT {self._shown()} FROM {self.qualified} AS t
WHERE ({self._key()}) IN (SELECT * FROM unnest({keys})) ORDER BY {self._key()}
"""

    def write(self) -> str:
        """New values for rows that are still as they were read; locks them in the order in which `settle` does."""
        given = [
            *self.key,
            *((f"{when}_{name}", kind) for when in ("old", "new") for name, kind in self.columns),
        ]
        same = " AND ".join(map('t."{0}" IS NOT DISTINCT FROM g."old_{0}"'.format, dict(self.columns)))
        joined = " AND ".join(f't."{name}" = g."{name}"' for name, _ in self.key)
        return f"""
WITH g AS (
    SELECT * FROM unnest({", ".join(_array(name, kind) for name, kind in given)})
        AS g ({", ".join(f'"{name}"' for name, _ in given)})
), locked AS (
    SELECT g.* FROM {self.qualified} AS t JOIN g ON {joined} WHERE {same} ORDER BY {self._key()} FOR UPDATE OF t
)
UPDATE {self.qualified} AS t SET {", ".join(f'"{name}" = g."new_{name}"' for name, _ in self.columns)}
FROM locked AS g WHERE {joined}
RETURNING {", ".join(f't."{name}"::text AS "{name}"' for name, _ in self.key)}
"""

    def _shown(self) -> str:
        as_text = [f't."{name}"::text AS "{name}"' for name, _ in (*self.key, *self.columns)]
        return ", ".join([*as_text, *(f't."{name}"' for name in self.beside)])

    def _key(self) -> str:
        return ", ".join(f't."{name}"' for name, _ in self.key)

    def _after(self) -> str:
        return ", ".join(
            f"(%(after)s::text[])[{place}]::{kind}" for place, (_, kind) in enumerate(self.key, start=1)
        )

    def key_of(self, row: Row) -> tuple[str, ...]:
        """The key of a row, as text."""
        return tuple(str(row[name]) for name, _ in self.key)


def _array(name: str, kind: str) -> str:
    """A parameter that is an array."""
    return f"%({name})s::{kind}[]"


class _Renewal:
    """Renews the values of one row, and notes what became of each."""

    def __init__(self) -> None:
        self.current = 0
        self.renewed = 0
        self.faults: list[str] = []

    def text(self, value: str | None, column: str, *owners: str) -> tuple[str | None, str | None]:
        """A value sealed under the first key, and what is in it.

        None for that if it is not sealed, does not open, or belongs to none of `owners`, where some are given.
        """
        if value is None or not value.startswith(sealed.PREFIX):
            return value, None
        try:
            opened = sealed.look_into(value)
        except sealed.Unsealable as error:
            self.faults.append(f"{column}: {error}")
            return value, None
        kept = value if opened.is_current else sealed.seal(opened.text, opened.owner)
        self.current += opened.is_current
        self.renewed += not opened.is_current
        if owners and opened.owner not in owners:
            self.faults.append(f"{column}: it was moved from another row, and stays refused")
            return kept, None
        return kept, opened.text

    def codes(self, value: str | None, column: str, *owners: str) -> str | None:
        """The column `codes` of an order: each code sealed, with its digest beside it."""
        if value is None:
            return None
        renewed = []
        for entry in json.loads(value):
            new = dict(entry)
            for name in ("sealed", "pin", "addition"):
                if name not in entry:
                    continue
                new[name], text = self.text(entry[name], f"{column}.{name}", *owners)
                if text is not None and name != "addition":
                    code = codes.from_json(text).code if name == "sealed" else text
                    new["digest"] = sealed.digests(code)[0]
            renewed.append(new)
        return database.as_json(renewed)


def reseal(progress: Callable[[str, int, int], None] = lambda table, rows, total: None) -> Report:
    """Seal everything under the first key, from where it was stopped last. Raises ValueError without keys.

    `progress` is told the table, how many of its rows were looked at, and about how many it has. Run again after it
    has ended, it begins anew.
    """
    fingerprint = sealed.fingerprint()
    if fingerprint is None:
        raise ValueError("ENCRYPTION_KEYS is not set")
    report = Report()
    for table in TABLES:
        done, total = 0, _estimate(table.qualified)
        for rows in _batches(table, fingerprint, report):
            done += rows
            progress(table.name, done, total)
    database.rows("DELETE FROM referans.sealing_progress")
    return report


def _batches(table: Table, fingerprint: str, report: Report) -> Iterator[int]:
    """How many rows each batch had, once it is committed."""
    at = {"key": fingerprint, "table": table.name}
    known = database.row(PROGRESS, at)
    after = known["after"] if known else None
    is_done = bool(known and known["is_done"])
    while not is_done:
        rows = database.rows(table.read(), {"after": after})
        _renew(table, rows, report)
        is_done = len(rows) < BATCH
        after = list(table.key_of(rows[-1])) if rows else after
        database.rows(RECORD, at | {"after": after, "is_done": is_done})
        yield len(rows)


def _renew(table: Table, rows: Sequence[Row], report: Report) -> None:
    for _ in range(TRIES):
        renewals = [(_Renewal(), row) for row in rows]
        changed = {}
        for renewal, row in renewals:
            new = table.renew(renewal, row)
            if any(new[name] != row[name] for name, _ in table.columns):
                changed[table.key_of(row)] = row, new
        written = _write(table, list(changed.values()))
        missed = [key for key in changed if key not in written]
        for renewal, row in renewals:
            if table.key_of(row) not in missed:
                _count(report, table, renewal, row)
        if not missed:
            return
        given = {
            name: database.array(key[place] for key in missed) for place, (name, _) in enumerate(table.key)
        }
        rows = database.rows(table.read_again(), given)
    for row in rows:
        report.left += 1
        report.names.append(
            f"{table.name} {' '.join(table.key_of(row))}: it changes all the time; run it again"
        )


def _count(report: Report, table: Table, renewal: _Renewal, row: Row) -> None:
    report.current += renewal.current
    report.renewed += renewal.renewed
    report.left += len(renewal.faults)
    place = f"{table.name} {' '.join(table.key_of(row))}"
    report.names += [f"{place} {fault}" for fault in renewal.faults[: max(0, NAMED - len(report.names))]]


def _write(table: Table, changes: Sequence[tuple[Row, Row]]) -> set[tuple[str, ...]]:
    """The keys of the rows that were still as they had been read, and are written."""
    if not changes:
        return set()
    fields = [
        {name: old[name] for name, _ in table.key}
        | {f"old_{name}": old[name] for name, _ in table.columns}
        | {f"new_{name}": new[name] for name, _ in table.columns}
        for old, new in changes
    ]
    try:
        with database.database.atomic():
            return {table.key_of(row) for row in database.rows(table.write(), database.arrays(fields))}
    except peewee.IntegrityError:
        # A code that was loaded twice, under keys that did not know of each other: both stay, under their old digests.
        if len(changes) > 1:
            return set().union(*(_write(table, [one]) for one in changes))
        [(old, new)] = changes
        kept, _ = _Renewal().text(old["code"], "code")
        return _write(table, [(old, new | {"digest": old["digest"], "code": kept})])


def _estimate(name: str) -> int:
    found = database.row(f"SELECT reltuples::bigint AS many FROM pg_class WHERE oid = '{name}'::regclass")
    return max(0, found["many"]) if found else 0


def _renew_texts(*names: str) -> Callable[[_Renewal, Row], Row]:
    """For columns that hold one sealed text each, whoever it belongs to."""

    def renew(renewal: _Renewal, row: Row) -> Row:
        return {name: renewal.text(row[name], name)[0] for name in names}

    return renew


def _renew_order(renewal: _Renewal, row: Row) -> Row:
    owners = [
        owner(row["providerId"], reference)
        for reference in (row["provider_referans"], row["externalOrderId"])
    ]
    pin, text = renewal.text(row["pinCode"], "pinCode", *owners)
    new = {
        "pinCode": pin,
        "pinDigest": row["pinDigest"] if text is None else sealed.digests(text)[0],
        "codes": _as_before(renewal.codes(row["codes"], "codes", *owners), row["codes"]),
    }
    return new if text is None or not _is_shown_in_clear(row, text) else _in_clear(renewal, new, text)


def _is_shown_in_clear(row: Row, code: str) -> bool:
    """Whether "pinCode" is to hold the code in clear, by SEAL_PINS."""
    policy = pins.policy()
    is_ours = row["routeParams"] is not None if row["placedByGateway"] is None else row["placedByGateway"]
    fits = policy.limit is None or len(code) <= policy.limit
    return fits and (policy.own_in_clear if is_ours else policy.theirs_in_clear)


def _in_clear(renewal: _Renewal, new: Row, code: str) -> Row:
    """What was sealed stays so in `codes`."""
    renewal.renewed += 1
    alone = [{"digest": new["pinDigest"], "pin": new["pinCode"], "has_serial": False}]
    return new | {"pinCode": code, "codes": new["codes"] or database.as_json(alone)}


def _renew_former(renewal: _Renewal, row: Row) -> Row:
    owners = [
        owner(row["provider_id"], reference) for reference in (row["referans"], row["external_order_id"])
    ]
    return {
        "pin_code": renewal.text(row["pin_code"], "pin_code", *owners)[0],
        "codes": _as_before(renewal.codes(row["codes"], "codes", *owners), row["codes"]),
    }


def _renew_stock(renewal: _Renewal, row: Row) -> Row:
    code, text = renewal.text(row["code"], "code", owner_of_stock(row["stock"], row["digest"]))
    if text is None:
        return {"code": code, "digest": row["digest"]}
    digest = sealed.digests(codes.from_json(text).code)[0]
    if digest != row["digest"]:
        code = sealed.seal(text, owner_of_stock(row["stock"], digest))
    return {"code": code, "digest": digest}


def _as_before(new: str | None, old: str | None) -> str | None:
    """JSON that says the same, as PostgreSQL writes it."""
    return old if new is None or old is None or json.loads(new) == json.loads(old) else new


_ID = (("id", "bigint"),)
#: Every table with sealed values. `former_references` is copied from `product_orders`, and so comes after it.
TABLES = (
    Table("providers", (("id", "text"),), (("credentials", "text"),), (), _renew_texts("credentials")),
    Table("stock_codes", _ID, (("code", "text"), ("digest", "text")), ("stock",), _renew_stock),
    Table(
        "product_orders",
        (("id", "uuid"),),
        (("pinCode", "text"), ("pinDigest", "text"), ("codes", "jsonb")),
        ("providerId", "provider_referans", "externalOrderId", "placedByGateway", "routeParams"),
        _renew_order,
    ),
    Table(
        "former_references",
        (("referans", "text"), ("provider_id", "text")),
        (("pin_code", "text"), ("codes", "jsonb")),
        ("external_order_id",),
        _renew_former,
    ),
    Table("order_events", _ID, (("detail", "text"), ("whole", "text")), (), _renew_texts("detail", "whole")),
    Table("callback_events", _ID, (("outcome", "text"), ("raw", "text")), (), _renew_texts("outcome", "raw")),
)
PROGRESS = "SELECT after, is_done FROM referans.sealing_progress WHERE key_digest = %(key)s AND table_name = %(table)s"
RECORD = """
INSERT INTO referans.sealing_progress (key_digest, table_name, after, is_done)
VALUES (%(key)s, %(table)s, %(after)s::text[], %(is_done)s)
ON CONFLICT (key_digest, table_name) DO UPDATE SET
    after = excluded.after, is_done = excluded.is_done, updated_at = now()
"""
