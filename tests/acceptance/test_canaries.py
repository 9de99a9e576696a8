"""Secrets run through every path there is, faults included; then everything that is kept or shown is searched.

Logs of all processes at debug, every table in clear text, Redis, metrics, health, error reports, the answers of the API
and of the providers' door, and what commands print. See tests/acceptance/canaries.
"""

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import redis

from tests.acceptance.canaries import faults, operators, providers, secret, storefronts
from tests.acceptance.canaries.scene import Scene, set_up
from tests.acceptance.canaries.search import Text, keys, logs, search, tables
from tests.acceptance.canaries.secret import SECRETS

#: In this order.
PATHS = (
    operators.add_providers,
    providers.orders_of_a_panel_that_repeats_everything,
    providers.callbacks_in_the_neutral_format,
    providers.callbacks_with_a_token,
    providers.callbacks_at_wrong_addresses,
    storefronts.make_mistakes,
    storefronts.decide,
    operators.decide,
    operators.load_stock,
    operators.send_callbacks,
    providers.questions_for_the_balance,
    providers.wait_for_the_panel,
    faults.while_redis_is_away,
    faults.while_the_database_refuses,
    operators.look_at_everything,
    operators.look_at_pages,
    operators.rotate_credentials,
    storefronts.look_at_everything,
    faults.wrong_settings,
    operators.rotate_encryption,
)


@pytest.fixture
def scene(database_url: str, open_directory: Path, tmp_path: Path) -> Iterator[Scene]:
    with set_up(database_url, open_directory / tmp_path.name, tmp_path) as made:
        yield made


@pytest.mark.timeout(300)  # half a minute on an idle machine; the others start their processes beside it
def test_secrets_stay_where_they_belong(scene: Scene, tmp_path: Path) -> None:
    for path in PATHS:
        path(scene)
    for name in ("scheduler", "worker", "web"):
        scene.system.terminate(name)

    found = search(everything(scene, tmp_path), [*secret.family(), *scene.made])
    assert found.hits == []
    assert set(secret.BELONGS) - found.used == set(), "allowed, and never seen: is the path still there?"
    digests = [secret.PlainDigest(f"a plain digest of {code}", code) for code in scene.codes]
    assert search(tables(scene.database_url), digests).hits == []


def everything(scene: Scene, directory: Path) -> Iterator[Text]:
    """All that is kept, shown or told."""
    yield from scene.said.texts
    yield from tables(scene.database_url)
    with closing(redis.Redis.from_url(scene.environ["REDIS_URL"])) as client:
        yield from keys(client)
    yield from logs(directory)
    assert scene.sentry.bodies
    yield Text("reports to Sentry", "\n".join(scene.sentry.bodies))


CODE, PASSWORD = f"{secret.CARD}-9", SECRETS["a dealer password"]


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"…{CODE[5:]}",
        CODE.encode().hex(),
        *(base64.b64encode(b"x" * shift + CODE.encode() + b"yz").decode() for shift in range(3)),
        PASSWORD,
        f"sifre={quote_plus(PASSWORD)}&x",
        repr(PASSWORD.encode()),
        f"gAAAA{base64.urlsafe_b64encode(PASSWORD.encode()).decode()}",
    ],
)
def test_the_search_finds_a_secret_however_it_is_written(text: str) -> None:
    assert len(search([Text("log of web", f"a line\nand {text} in it")], secret.family()).hits) == 1


@pytest.mark.parametrize(
    ("place", "is_allowed"),
    [("gateway orders pin 1", True), ("gateway orders show 1", False), ("answer to plain: GET", False)],
)
def test_a_code_is_allowed_at_its_places_only(place: str, is_allowed: bool) -> None:
    assert (search([Text(place, CODE)], secret.family()).hits == []) is is_allowed
    assert len(search([Text(place, PASSWORD)], secret.family()).hits) == 1
