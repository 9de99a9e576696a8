"""Each incident is made for real: the doctor names its cause and its cure, and no other cause.

With processes, and with what `/health/ready` and `/metrics` say: tests/acceptance/test_incidents.py.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from gateway.commands import doctor
from gateway.commands.probes import Finding, Status
from gateway.dev.simulator import Simulator
from gateway.fulfilment.recovery import WRONG_KEYS
from models import claims, provider, provider_counts, provider_health, resolving, route, stock, sweep_run
from models.codes import Code
from models.db import database, sealed
from models.provider import CallbackFormat, Provider
from models.provider_counts import Addition, Counted
from models.status import ExternalStatus
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY
from tests.gateway.commands.test_doctor import be_alive
from tests.refusing import execute, full, limited_role, read_only

BOX = "provider box"
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="


@pytest.fixture(autouse=True)
def environment(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, panel: Simulator
) -> Iterator[None]:
    """A system in which everything is well; `bound` sees the same database."""
    for name, value in (("DATABASE_URL", database_url), ("REDIS_URL", redis_url), ("ENCRYPTION_KEYS", KEY)):
        monkeypatch.setenv(name, value)
    be_alive(redis_url)
    with factories.bound(database_url, keys=[KEY]):
        add_box(panel.url)
        sweep_run.beat("scheduler")
        sweep_run.end(sweep_run.begin("scheduler"), {})
        yield


def add_box(url: str, provider_id: str = "box") -> None:
    credentials = {"kod": "sandbox", "sifre": "sandbox", "callback_secret": "a-secret-of-twenty-letters"}
    account = Provider(
        provider_id, "znet", url, "token", credentials, callback_format=CallbackFormat.PROTOCOL
    )
    provider.save(account)


def examined(*, call: bool = False) -> dict[str, Finding]:
    """What the doctor finds that is not well, by the name of the line."""
    own = database.database.obj
    found = doctor.examine(call)
    database.database.obj.close_all()
    database.bind(own)
    sealed.bind([KEY])
    return {each.name: each for each in found if each.status is not Status.OK}


def assert_unknown(found: dict[str, Finding], cause: str, *names: str) -> None:
    """These lines, and only they beside the one that failed, say what must be mended first."""
    assert {name for name, each in found.items() if each.status is Status.UNKNOWN} == set(names)
    for name in names:
        assert (found[name].detail, found[name].next) == (f"unknown without the {cause}", "fix that first")


def test_nothing_is_wrong(database_url: str) -> None:
    assert examined() == {}


class TestTheDatabaseTakesNoWrites:
    def test_it_is_read_only(self, database_url: str) -> None:
        with read_only(database_url):
            found = examined()
        line = found.pop("database")
        assert line.status is Status.FAILED
        assert "read-only: default_transaction_read_only is on, by its database" in line.detail
        assert line.next and "host" in line.next and "reset it" in line.next
        assert_unknown(found, "database", "scheduler", "sweep")
        assert examined() == {}

    def test_a_host_took_the_right_to_insert(
        self, monkeypatch: pytest.MonkeyPatch, database_url: str
    ) -> None:
        with limited_role(database_url) as url:
            monkeypatch.setenv("DATABASE_URL", url)
            assert examined() == {}
            execute(
                database_url,
                f"REVOKE INSERT ON ALL TABLES IN SCHEMA public, referans FROM {urlsplit(url).username}",
            )
            found = examined()
        line = found.pop("database")
        assert line.status is Status.FAILED
        assert "lacks the right: INSERT on product_orders, referans.alert_messages, " in line.detail
        assert line.next and "plan" in line.next and "GRANT" in line.next and "migrate" not in line.next
        assert_unknown(found, "database", "scheduler", "sweep")

    def test_its_disk_is_full(self, database_url: str) -> None:
        execute(
            database_url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON referans.heartbeats FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        try:
            line = examined()["database"]
        finally:
            execute(database_url, "DROP FUNCTION refuse CASCADE")
        assert "No space left on device" in line.detail and line.next and "make room" in line.next


def test_redis_is_full(monkeypatch: pytest.MonkeyPatch, database_url: str, own_redis_url: str) -> None:
    monkeypatch.setenv("REDIS_URL", own_redis_url)
    be_alive(own_redis_url)
    assert examined() == {}
    with full(own_redis_url):
        found = examined()
    line = found.pop("broker")
    assert line.status is Status.FAILED
    assert "full: it has used its maxmemory" in line.detail
    assert line.next and "more memory" in line.next
    assert_unknown(found, "broker", "workers", "scheduler", "sweep")


def test_the_scheduler_is_dead(database_url: str) -> None:
    """Within two minutes after its last tick, and not before a tick is late."""
    silent = "UPDATE referans.heartbeats SET beat_at = now() - make_interval(secs => %s) WHERE process = 'scheduler'"
    database.rows(silent, (100,))
    assert examined() == {}
    database.rows(silent, (112,))
    line = examined()["scheduler"]
    assert (line.status, line.detail) == (Status.FAILED, "silent for 1 min")
    assert line.next and line.next.startswith("start it: periodiq actors")


class TestKeys:
    @pytest.mark.parametrize(("keys", "said"), [(OTHER_KEY, "no key of"), ("", "not set")])
    def test_they_open_nothing(
        self, monkeypatch: pytest.MonkeyPatch, database_url: str, keys: str, said: str
    ) -> None:
        monkeypatch.setenv("ENCRYPTION_KEYS", keys)
        found = examined()
        line = found.pop("encryption")
        assert line.status is Status.FAILED and said in line.detail
        assert line.next and "the keys that sealed" in line.next
        assert_unknown(found, "encryption", "providers")

    def test_those_of_one_worker_open_nothing(self, database_url: str) -> None:
        sweep_run.beat(WRONG_KEYS)
        line = examined()["worker keys"]
        assert (
            line.status is Status.FAILED and "one runs with ENCRYPTION_KEYS that open nothing" in line.detail
        )
        database.rows(
            "UPDATE referans.heartbeats SET beat_at = beat_at - interval '2 minutes' WHERE process = %s",
            (WRONG_KEYS,),
        )
        assert examined() == {}

    def test_the_credentials_of_one_provider_do_not_open(self, database_url: str, panel: Simulator) -> None:
        add_box(panel.url, "other")
        database.rows("UPDATE referans.providers SET credentials = 'sealed:cut off' WHERE id = 'other'")
        found = examined()
        assert set(found) == {"provider other"}
        assert found["provider other"].next == "enter them again: gateway providers rotate other"


class TestProviders:
    def test_one_is_down(self, database_url: str) -> None:
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("box", "no answer within 30 s", 30)
        line = examined()[BOX]
        assert line.status is Status.FAILED
        assert "down, 5 calls in a row failed: no answer within 30 s" in line.detail
        assert line.next and "gateway providers test box" in line.next

    def test_its_password_is_wrong(self, database_url: str) -> None:
        credentials = {"kod": "sandbox", "sifre": "wrong"}
        known = provider.find("box")
        assert known
        provider.save(Provider("box", "znet", known.base_url, "none", credentials))
        line = examined(call=True)[BOX]
        assert line.status is Status.FAILED and "the dealer code or the password is wrong" in line.detail

    def test_it_refuses_our_account(self, database_url: str) -> None:
        refuse("Kullanıcı Api Yetki", lacks_balance=False)
        line = examined()[BOX]
        assert line.status is Status.FAILED
        assert line.detail == "it refuses our account, so the gateway has paused it: Kullanıcı Api Yetki"
        assert line.next and "gateway providers rotate box" in line.next

    def test_its_balance_is_used_up(self, database_url: str) -> None:
        refuse("Bakiye yetersiz", lacks_balance=True)
        line = examined()[BOX]
        assert line.status is Status.FAILED and line.detail.endswith("Bakiye yetersiz")
        assert line.next and "pay in at box" in line.next and "gateway providers resume box" in line.next

    @pytest.mark.parametrize(("balance", "status"), [(0, Status.FAILED), (99, Status.WARNING), (100, None)])
    def test_its_balance_is_low(self, database_url: str, balance: int, status: Status | None) -> None:
        provider_health.look_again("box")
        database.rows(
            "UPDATE referans.provider_health SET balance = %s, balance_currency = 'TRY'", (balance,)
        )
        database.rows("UPDATE referans.providers SET low_balance = 100")
        found = examined()
        assert {name: each.status for name, each in found.items()} == ({BOX: status} if status else {})

    def test_its_balance_fell_by_what_we_did_not_buy(self, database_url: str) -> None:
        database.rows(
            "INSERT INTO referans.balance_gaps (provider_id, amount, currency, balance, later_reading_id,"
            " later_at, is_final) VALUES ('box', 25.5, 'TRY', 100, 1, now(), true)"
        )
        line = examined()["provider box: balance"]
        assert (line.status, line.detail[:19]) == (Status.WARNING, "fell by 25.5 TRY, w")
        assert line.next and "gateway providers balance box" in line.next

    def test_a_person_has_paused_it(self, database_url: str) -> None:
        provider_health.pause("box", "they renovate", "mona")
        line = examined()[BOX]
        assert (line.status, line.detail) == (Status.WARNING, "paused by mona: they renovate")
        assert line.next == "when it may have orders again: gateway providers resume box"

    @pytest.mark.parametrize(
        ("reason", "cure"),
        [
            ("the token is wrong", "gateway providers rotate box --new-callback-secret"),
            ("the address '10.1.2.3' is not on the allow-list", "gateway providers set box --callback-allow"),
            ("no callbacks are accepted for this provider", "gateway providers set box --callback …"),
        ],
        ids=["another secret", "another address", "none are accepted"],
    )
    def test_its_callbacks_are_refused_and_the_cure_fits_the_reason(
        self, database_url: str, reason: str, cure: str
    ) -> None:
        count(Counted.CALLBACK_REFUSED, 7, reason)
        line = examined()["provider box: callbacks"]
        assert line.status is Status.FAILED
        assert line.detail == f"7 refused within the last hour, and none accepted since: {reason}"
        assert line.next and cure in line.next

    def test_somebody_else_calls_in_its_name(self, database_url: str) -> None:
        """Whoever calls must not be able to make the doctor fail, as long as the provider's own callbacks come."""
        count(Counted.CALLBACK_REFUSED, 7, "the token is wrong")
        factories.settle(
            factories.arrival({"provider_referans": "1"}, ExternalStatus.SENT, provider_id="box")
        )
        line = examined()["provider box: callbacks"]
        assert line.status is Status.WARNING and line.next and "callback_refused" in line.next
        database.rows("UPDATE referans.provider_counts SET last_at = last_at - interval '6 minutes'")
        assert examined() == {}, "the secret was put right"

    def test_it_refuses_many_orders(self, database_url: str) -> None:
        count(Counted.ORDER_REFUSED, 4, "Stok yok")
        assert examined() == {}
        count(Counted.ORDER_REFUSED, 1, "Stok yok")
        line = examined()["provider box: refusals"]
        assert line.status is Status.WARNING
        assert line.detail == "5 orders refused within the last hour, the last one: Stok yok"


def test_own_stock_is_empty(database_url: str) -> None:
    provider.save(Provider("own", "stock", "", "none", {}))
    route.add("game", "60", "own", {"stock": "cards"})
    line = examined()["stock cards"]
    assert (line.status, line.detail) == (Status.WARNING, "0 codes left")
    assert line.next == "load more: gateway stock load cards < codes.txt"
    stock.load("cards", [NewCode(Code("CODE-1"))])
    assert examined() == {}


def refuse(reason: str, *, lacks_balance: bool) -> None:
    assert provider_health.account_refused("box", reason, 600, is_certain=True, lacks_balance=lacks_balance)


def count(kind: Counted, times: int, reason: str) -> None:
    provider_counts.add([Addition("box", kind, times, reason)])


class TestOrders:
    @pytest.fixture
    def order(self, panel: Simulator) -> dict[str, object]:
        factories.add_provider(base_url=panel.url, callback_format=CallbackFormat.NEUTRAL)
        return factories.sent()

    def test_two_outcomes_contradict_each_other(self, database_url: str, order: dict[str, object]) -> None:
        for pin in ("PIN-1", "PIN-2"):
            factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin))
        found = examined()
        assert set(found) == {"provider sandbox: conflicts", "stuck orders"}
        line = found["stuck orders"]
        assert (line.status, line.detail) == (Status.WARNING, "1 conflict")
        assert (
            line.next and "gateway orders accept ID" in line.next and "gateway orders dismiss ID" in line.next
        )
        assert found["provider sandbox: conflicts"].detail.endswith("contradicted an order, 1 undecided")
        resolving.dismiss(str(order["id"]), by="mona", reason="the panel shows the first code")
        assert examined() == {}

    def test_a_panel_does_not_know_an_order_that_it_accepted(
        self, database_url: str, order: dict[str, object]
    ) -> None:
        claims.unknown_to_provider(str(order["id"]), 0)
        assert examined() == {}
        claims.unknown_to_provider(str(order["id"]), 0)
        found = examined()
        assert set(found) == {"provider sandbox: unknown orders"}
        line = found["provider sandbox: unknown orders"]
        assert line.detail.endswith(f"1 order sent to it: {order['provider_referans']}")
        assert line.next and f"gateway orders show {order['provider_referans']}" in line.next
