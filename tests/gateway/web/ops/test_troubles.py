"""The first sentence of the first page for each thing that can go wrong, and the cures that a page has for it."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis

from gateway.broker import NAMESPACE
from gateway.commands import provider_probes
from gateway.dev.stack import COMMANDS
from gateway.settings import Settings
from gateway.web.ops import troubles
from models import provider, provider_counts, provider_health, sweep_run
from models.db import database
from models.person import Role
from models.provider_counts import Addition, Counted
from models.provider_health import BREAKER_THRESHOLD
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web.ops.browser import Browser, seen, words
from tests.gateway.web.ops.conftest import BrowserFor

PATH = "/ops/providers/sandbox"
REASON = "rana has them from the panel"
HEARTBEATS, WORKER = f"{NAMESPACE}:__heartbeats__", "worker-of-this-test"


@pytest.fixture
def heard(settings: Settings) -> Iterator[Callable[[float], None]]:
    """Has a worker give its last sign of life so many seconds ago."""
    with closing(redis.Redis.from_url(settings.redis_url.get_secret_value())) as client:

        def beat(seconds_ago: float) -> None:
            client.zadd(HEARTBEATS, {WORKER: 1000 * (time.time() - seconds_ago)})

        yield beat
        client.zrem(HEARTBEATS, WORKER)


@pytest.fixture
def well(heard: Callable[[float], None], pool: object) -> None:
    """All parts of the gateway are."""
    heard(0)
    with database.session():
        sweep_run.beat("scheduler")
        sweep_run.end(sweep_run.begin("scheduler"), {})


def first(browser: Browser) -> str:
    """The first section of the first page."""
    page = browser.get("/ops")
    page._body = re.search(r'<section class="verdict.*?</section>', page.text, re.DOTALL)[0].encode()  # type: ignore[index]
    return words(page)


def set_back(table: str, column: str, seconds: int) -> None:
    with database.session():
        database.rows(f"UPDATE referans.{table} SET {column} = {column} - make_interval(secs => {seconds})")


def test_commands_are_those_of_the_procfile() -> None:
    assert (COMMANDS["worker"], COMMANDS["scheduler"]) == (troubles.WORKER, troubles.SCHEDULER)


# --- the gateway itself


def test_a_worker_that_fell_silent_is_shown_after_fifteen_seconds(
    operator: Browser, well: None, heard: Callable[[float], None]
) -> None:
    heard(10)
    assert "All is well." in first(operator)
    set_back("heartbeats", "beat_at", 400)
    heard(16)
    text = first(operator)
    assert "No worker was heard for 16 s: nothing is sent or checked." in text
    assert troubles.WORKER in text
    assert "scheduler is silent" not in seen(operator.get("/ops")), "its ticks come through a worker"


def test_a_scheduler_that_fell_silent_is_shown_with_how_long(operator: Browser, well: None) -> None:
    set_back("heartbeats", "beat_at", 91)
    text = first(operator)
    assert "The scheduler is silent for 91 s; it should be heard each minute." in text
    assert "Orders go on meanwhile" in text and troubles.SCHEDULER in text
    set_back("sweeps", "started_at", 3600)
    assert "The last sweep began 1 h ago" in seen(operator.get("/ops"))


# --- providers


def fail(error: str) -> None:
    for _ in range(BREAKER_THRESHOLD):
        provider_health.failed("sandbox", error, 600)


def refuse(*, lacks_balance: bool) -> None:
    provider_health.account_refused("sandbox", "hesap", 600, is_certain=True, lacks_balance=lacks_balance)


@pytest.mark.parametrize(
    ("make", "said", "there"),
    [
        (lambda: fail("connection refused"), "sandbox does not answer since", "Ask it now"),
        (
            lambda: fail("the panel's answer is empty: the dealer code or the password is wrong"),
            "sandbox seems to reject our credentials",
            "An admin can set credentials on this page",
        ),
        (
            lambda: refuse(lacks_balance=True),
            "sandbox has no balance left",
            "Top it up, then press “Ask it now”",
        ),
        (lambda: refuse(lacks_balance=False), "sandbox refuses our account", "It refuses our account"),
        (
            lambda: provider_health.pause("sandbox", "hesap", "ali"),
            "sandbox is paused by ali: it gets no orders.",
            "Resume",
        ),
    ],
)
def test_why_a_provider_gets_no_orders(
    operator: Browser, well: None, make: Callable[[], None], said: str, there: str
) -> None:
    with database.session():
        make()
    text = first(operator)
    assert said in text and "See sandbox" in text
    assert there in seen(operator.get(PATH))
    assert said.split("sandbox ", 1)[1] not in words(operator.get("/ops", lang="ar"))
    operator.get("/ops", lang="en")


@pytest.mark.parametrize("lacks_balance", [True, False])
def test_one_whose_balance_cannot_be_asked_for_is_to_be_resumed(
    operator: Browser, lacks_balance: bool
) -> None:
    with database.session():
        secrets = {"username": "u", "password": "p"}
        factories.add_provider(adapter="turkpin", callback="none", credentials=secrets)
        refuse(lacks_balance=lacks_balance)
        [account] = provider_probes.known()
        [finding] = provider_probes.state(account, call=False)
    assert "then: gateway providers resume sandbox" in str(finding.next)
    assert "press “Resume”: its protocol has no question" in seen(operator.get(PATH))


def test_a_provider_is_asked_now_and_not_when_its_turn_comes(operator: Browser) -> None:
    with database.session():
        fail("connection refused")
        assert provider_health.due_probes() == []
    operator.get(PATH)
    assert "It is being asked." in seen(operator.post(PATH, action="probe", reason="it is repaired"))
    with database.session():
        assert provider_health.due_probes() == ["sandbox"]
        provider_health.answered("sandbox")
        assert not provider_health.probe_soon("sandbox")


def test_callbacks_that_are_refused_stand_on_the_first_page_until_one_is_accepted(
    operator: Browser, well: None
) -> None:
    set_back("providers", "updated_at", 60)
    with database.session():
        provider_counts.add(
            [Addition("sandbox", Counted.CALLBACK_REFUSED, 3, "the signature does not match")]
        )
    text = first(operator)
    assert "Callbacks of sandbox are refused: 3 in the last hour." in text
    assert "the signature does not match" in text
    assert "its callbacks are refused" in seen(operator.get(PATH))
    assert "its callbacks are refused" in seen(operator.get("/ops/providers"))
    with database.session():
        factories.settle(factories.arrival(factories.sent(), ExternalStatus.COMPLETED, pin="PIN-1"))
    set_back("provider_counts", "last_at", 1)
    assert "Callbacks of sandbox" not in first(operator)


def test_one_order_that_needs_a_person_is_a_press_away(operator: Browser, well: None) -> None:
    with database.session():
        found = factories.sent()
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1"))
        factories.settle(factories.arrival(found, ExternalStatus.FAILED))
    assert "1 order needs a person: The provider contradicts itself." in first(operator)
    assert f'href="/ops/orders/{found["id"]}"><span>See the order' in operator.get("/ops").text
    text = seen(operator.get(f"/ops/orders/{found['id']}"))
    assert "Now it is: Completed , what came last:" in text


# --- credentials


@pytest.fixture
def admin(browser_for: BrowserFor) -> Browser:
    return browser_for(Role.ADMIN)


def credentials() -> dict[str, str]:
    with database.session():
        found = provider.find("sandbox")
    assert found
    return dict(found.credentials)


def test_an_admin_sets_credentials_that_no_page_and_no_log_shows(
    admin: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    before = credentials()
    with database.session():
        fail("the password is wrong")
    assert "sifre" in seen(admin.get(PATH))
    answer = admin.post(f"{PATH}/credentials", credential_sifre=" new-secret-1 ", reason=REASON)
    assert "The credentials are stored" in seen(answer) and "new-secret-1" not in answer.text
    assert credentials() == before | {"sifre": "new-secret-1"}
    with database.session():
        assert provider_health.due_probes() == ["sandbox"], "it is asked at once"
    said = capsys.readouterr().out
    assert "new-secret-1" not in said
    [line] = [each for each in said.splitlines() if "action=provider_credentials" in each]
    assert "by=admin" in line and REASON in line and "sifre" in line


def test_a_new_callback_secret_is_shown_once_and_the_former_stays(admin: Browser) -> None:
    former = credentials()["callback_secret"]
    admin.get(PATH)
    answer = admin.post(f"{PATH}/credentials", make_secret="yes", reason=REASON)
    [made, kept] = credentials()["callback_secret"].split()
    assert kept == former and made in answer.text and former not in answer.text
    assert "/callbacks/sandbox" in seen(answer)
    assert made not in admin.get(PATH).text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": REASON}, "no credential was given"),
        ({"credential_sifre": "x", "reason": " "}, "Say why, in words."),
        ({"credential_callback_secret": "short", "reason": REASON}, "whsec_"),
        ({"credential_sifre": 4001 * "x", "reason": REASON}, "up to 4000 characters"),
        ({"credential_sifre": "", "credential_other": "x", "reason": REASON}, "no credential was given"),
    ],
)
def test_credentials_that_cannot_work_are_refused(admin: Browser, given: dict[str, str], said: str) -> None:
    before = credentials()
    admin.get(PATH)
    answer = admin.post(f"{PATH}/credentials", **given)
    assert answer.status_code == 409 and said in words(answer)
    assert credentials() == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_credentials_are_for_an_admin(browser_for: BrowserFor, role: Role) -> None:
    browser, before = browser_for(role), credentials()
    assert "credential_sifre" not in browser.get(PATH).text
    browser.get("/ops/account")
    assert browser.post(f"{PATH}/credentials", credential_sifre="x", reason=REASON).status_code == 403
    assert credentials() == before
