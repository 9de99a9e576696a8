"""Everything under the first key of ENCRYPTION_KEYS, while the gateway runs."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from models import inbox, order, provider, resealing, resolving, stock
from models.codes import Code
from models.db import database, sealed
from models.inbox import Invalid
from models.status import ExternalStatus
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY
from tests.factories import arrival, column, settle

NEW = Fernet.generate_key().decode()
OTHER = Fernet.generate_key().decode()
STOCK = "own"
#: A sealed value, wherever it stands.
SEALED = re.compile(r"sealed:[A-Za-z0-9_=-]+")

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def orders() -> dict[str, dict[str, Any]]:
    """An order of each kind that has anything sealed, and more that is sealed, all under the first key."""
    return everything()


def everything() -> dict[str, dict[str, Any]]:
    made = {
        name: factories.sent(name) for name in ("plain", "several", "serial", "conflict", "resent", "invalid")
    }
    settle(arrival(made["plain"], ExternalStatus.COMPLETED, "PIN-PLAIN", message="OK"))
    several = (Code("C-1", pin="P-1", serial="S-1"), Code("C-2", expires_at="2030-01-01"))
    settle(delivery(made["several"], *several))
    settle(delivery(made["serial"], Code("C-3")))
    settle(delivery(made["serial"], Code("C-3", serial="S-3")))
    settle(arrival(made["conflict"], ExternalStatus.COMPLETED, "PIN-FIRST"))
    assert settle(arrival(made["conflict"], ExternalStatus.COMPLETED, "PIN-SECOND")) == ["conflict"]
    settle(delivery(made["resent"], Code("C-4", serial="S-4")))
    resolving.resend(made["resent"]["id"], by="ops", reason="the customer asks", may_buy_twice=True)
    unreadable = [
        Invalid("invalid:1", '{"body": "unreadable"}', "no reference"),
        Invalid("invalid:2", '{"body": "unreadable, too"}', "no reference"),
    ]
    inbox.keep_invalid(factories.SANDBOX, unreadable)
    stock.load(STOCK, [NewCode(Code("STOCK-1", pin="SP-1")), NewCode(Code("STOCK-2"))])
    return made


def delivery(placed: dict[str, Any], *delivered: Code) -> Any:
    known = arrival(placed, ExternalStatus.COMPLETED)
    return replace(known, outcome=replace(known.outcome, codes=delivered))


def stored() -> list[tuple[str, str]]:
    """Every sealed value in the database, and its column."""
    found = []
    for row in database.rows(COLUMNS):
        place = f"{row['schema']}.{row['table']}"
        for each in database.rows(f'SELECT "{row["name"]}"::text AS value FROM {place}'):
            found += [
                (f"{row['table']}.{row['name']}", value) for value in SEALED.findall(each["value"] or "")
            ]
    return found


#: Whatever may hold text, of every table.
COLUMNS = """
SELECT table_schema AS schema, table_name AS "table", column_name AS name FROM information_schema.columns
WHERE table_schema IN ('public', 'referans') AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')
ORDER BY 1, 2
"""


def test_afterwards_the_old_key_can_go_and_everything_opens(orders: dict[str, dict[str, Any]]) -> None:
    before = stored()
    assert {place for place, _ in before} >= {
        *("providers.credentials", "product_orders.pinCode", "product_orders.codes", "order_events.detail"),
        *("former_references.pin_code", "former_references.codes", "callback_events.outcome"),
        *("callback_events.raw", "stock_codes.code"),
    }

    sealed.bind([NEW, KEY])
    report = resealing.reseal()

    assert (report.renewed, report.left, report.names) == (len(before), 0, [])
    sealed.bind([NEW])
    assert [place for place, value in stored() if not sealed.opens(value)] == []
    assert len(stored()) == len(before)
    assert provider.find(factories.SANDBOX).credentials == factories.CREDENTIALS
    assert codes_of(orders["plain"]) == [[Code("PIN-PLAIN")]]
    assert codes_of(orders["several"]) == [
        [Code("C-1", pin="P-1", serial="S-1"), Code("C-2", expires_at="2030-01-01")]
    ]
    assert codes_of(orders["serial"]) == [[Code("C-3", serial="S-3")]]
    assert codes_of(orders["conflict"]) == [[Code("PIN-FIRST")], [Code("PIN-SECOND")]]
    assert codes_of(orders["resent"]) == [[Code("C-4", serial="S-4")]]
    for callback in inbox.find(range(1, 20)):
        assert inbox.raw(callback) and (inbox.arrival(callback) or callback.result == "invalid")
    taken = stock.take(STOCK, 2, provider_id="own", referans="1")
    assert taken and taken.codes == (Code("STOCK-1", pin="SP-1"), Code("STOCK-2"))


def codes_of(placed: dict[str, Any]) -> list[list[Code]]:
    return [list(each.codes) for each in resolving.codes(placed["id"])]


def test_what_is_compared_by_digest_is_still_known(orders: dict[str, dict[str, Any]]) -> None:
    sealed.bind([NEW, KEY])
    resealing.reseal()
    sealed.bind([NEW])
    assert settle(arrival(orders["plain"], ExternalStatus.COMPLETED, "PIN-PLAIN")) == ["duplicate"]
    again = (Code("C-1", pin="P-1", serial="S-1"), Code("C-2", expires_at="2030-01-01"))
    assert settle(delivery(orders["several"], *again)) == ["duplicate"]
    assert settle(arrival(orders["conflict"], ExternalStatus.COMPLETED, "PIN-FIRST")) == ["duplicate"]
    assert stock.load(STOCK, [NewCode(Code("STOCK-1")), NewCode(Code("STOCK-3"))]).added == 1


def test_run_again_it_finds_nothing_to_do(orders: object) -> None:
    sealed.bind([NEW, KEY])
    first = resealing.reseal()
    second = resealing.reseal()
    assert (second.renewed, second.current, second.left) == (0, first.renewed, 0)


def test_stopped_it_goes_on_where_it_was(orders: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    def stop(table: str, rows: int, total: int) -> None:
        if table == "product_orders" and rows >= 4:
            raise Stop

    monkeypatch.setattr(resealing, "BATCH", 2)
    everything_sealed = len(stored())
    sealed.bind([NEW, KEY])
    with pytest.raises(Stop):
        resealing.reseal(stop)
    sealed.bind([NEW])
    done = sum(sealed.opens(value) for _, value in stored())
    assert 0 < done < everything_sealed

    sealed.bind([NEW, KEY])
    looked_at: dict[str, int] = {}
    report = resealing.reseal(lambda table, rows, total: looked_at.update({table: rows}))
    assert (report.renewed, report.current) == (everything_sealed - done, 0)
    assert "providers" not in looked_at and looked_at["product_orders"] == 2


def test_a_value_that_no_key_opens_is_named_and_left(orders: dict[str, dict[str, Any]]) -> None:
    lost = sealed.Sealer([OTHER]).seal("PIN-LOST", "sandbox/1")
    factories.put(orders["plain"], pinCode=lost)
    sealed.bind([NEW, KEY])
    report = resealing.reseal()
    assert report.left == 1 and lost == column(orders["plain"], "pinCode")
    [name] = report.names
    assert (
        name.startswith(f"product_orders {orders['plain']['id']} pinCode: no key") and "PIN-LOST" not in name
    )


def test_what_is_stored_in_clear_stays_as_it_is(orders: dict[str, dict[str, Any]]) -> None:
    factories.put(orders["plain"], pinCode="IN-CLEAR", pinDigest=None)
    sealed.bind([NEW, KEY])
    assert resealing.reseal().left == 0
    assert (column(orders["plain"], "pinCode"), column(orders["plain"], "pinDigest")) == ("IN-CLEAR", None)


def test_a_row_that_changes_meanwhile_keeps_what_it_was_given(
    orders: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing, the order gets another code, under the key that comes first."""
    factories.put(orders["serial"], quantity=2)
    sealed.bind([NEW, KEY])
    real = resealing._write
    raced: list[str] = []

    def race(table: resealing.Table, changes: Any) -> Any:
        if table.name == "product_orders" and not raced:
            raced.append("")
            settle(delivery(orders["serial"], Code("C-3", serial="S-3"), Code("C-5")))
        return real(table, changes)

    monkeypatch.setattr(resealing, "_write", race)
    assert resealing.reseal().left == 0
    sealed.bind([NEW])
    assert codes_of(orders["serial"]) == [[Code("C-3", serial="S-3"), Code("C-5")]]
    assert [place for place, value in stored() if not sealed.opens(value)] == []


def test_a_code_that_is_in_stock_twice_stays_so(orders: object) -> None:
    """Loaded under keys that did not know of each other."""
    sealed.bind([NEW])
    stock.load(STOCK, [NewCode(Code("STOCK-1", pin="SP-1"))])
    sealed.bind([NEW, KEY])
    assert resealing.reseal().left == 0
    sealed.bind([NEW])
    taken = stock.take(STOCK, 3, provider_id="own", referans="1")
    assert taken and [each.code for each in taken.codes] == ["STOCK-1", "STOCK-2", "STOCK-1"]


def test_it_works_beside_a_busy_gateway(database_url: str) -> None:
    """Orders are settled all the time, by processes that have both keys."""
    placed = [factories.sent(f"player-{number}") for number in range(40)]
    for each in placed[:20]:
        settle(arrival(each, ExternalStatus.COMPLETED, f"PIN-{each['id']}"))
    sealed.bind([NEW, KEY])

    def work() -> None:
        with database.session():
            for each in placed[20:]:
                settle(arrival(each, ExternalStatus.COMPLETED, f"PIN-{each['id']}"))
            for each in placed[:20]:
                results.extend(settle(arrival(each, ExternalStatus.COMPLETED, f"PIN-{each['id']}")))

    results: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    resealing.reseal()
    thread.join()
    assert set(results) == {"duplicate"}
    assert resealing.reseal().left == 0
    sealed.bind([NEW])
    assert [codes_of(each) for each in placed] == [[[Code(f"PIN-{each['id']}")]] for each in placed]


# --- a sealed value in another row


def swap(table: str, columns: str, one: str, other: str) -> None:
    """Exchange columns of two rows, as whoever can write to the database could."""
    names = columns.split(", ")
    sets = ", ".join(f'"{name}" = other."{name}"' for name in names)
    database.rows(
        f"UPDATE {table} AS t SET {sets} FROM {table} AS other"
        f" WHERE t.{one} AND other.{other} OR t.{other} AND other.{one}"
    )


def moved(orders: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """For each kind of value: a swap, and who reads it."""
    plain, conflict = orders["plain"]["id"], orders["conflict"]["id"]
    swap("product_orders", "pinCode", f"id = '{plain}'", f"id = '{conflict}'")
    yield "pinCode", lambda: order.codes_of(order.find(plain))
    several, serial = orders["several"]["id"], orders["serial"]["id"]
    swap("product_orders", "codes", f"id = '{several}'", f"id = '{serial}'")
    yield "codes", lambda: order.codes_of(order.find(several))
    database.rows(
        "UPDATE referans.former_references SET codes = o.codes FROM product_orders AS o WHERE o.id = %s",
        (several,),
    )
    yield "former codes", lambda: resolving.codes(orders["resent"]["id"])
    database.rows(
        "UPDATE referans.order_events SET order_id = %s WHERE result = 'conflict'", (orders["invalid"]["id"],)
    )
    yield "conflict", lambda: resolving.codes(orders["invalid"]["id"])
    [first, last] = [row["id"] for row in database.rows("SELECT id FROM referans.stock_codes ORDER BY id")]
    swap("referans.stock_codes", "code", f"id = {first}", f"id = {last}")
    yield "stock", lambda: stock.take(STOCK, 1, provider_id="own", referans="7")
    invalid = [
        row["id"] for row in database.rows("SELECT id FROM referans.callback_events WHERE result = 'invalid'")
    ]
    swap("referans.callback_events", "raw", f"id = {invalid[0]}", f"id = {invalid[1]}")
    yield "unreadable callback", lambda: inbox.raw(inbox.find([invalid[0]])[0])
    applied = [
        row["id"]
        for row in database.rows(
            "SELECT min(id) AS id FROM referans.callback_events WHERE outcome IS NOT NULL GROUP BY referans ORDER BY 1"
        )
    ]
    swap("referans.callback_events", "outcome, raw", f"id = {applied[0]}", f"id = {applied[1]}")
    yield "callback", lambda: inbox.raw(inbox.find([applied[0]])[0])
    yield "outcome", lambda: inbox.arrival(inbox.find([applied[0]])[0])
    factories.add_provider("other")
    swap("referans.providers", "credentials", "id = 'sandbox'", "id = 'other'")
    yield "credentials", lambda: provider.find("sandbox")


@pytest.mark.parametrize("resealed", [False, True])
def test_a_value_that_was_moved_to_another_row_is_refused(
    orders: dict[str, dict[str, Any]], resealed: bool
) -> None:
    """To seal it again does not make it right."""
    sealed.bind([NEW, KEY])
    for kind, read in moved(orders):
        if resealed:
            resealing.reseal()
        with pytest.raises(sealed.Unsealable, match="moved from another row"):
            read()
            pytest.fail(kind)
