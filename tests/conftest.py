"""What tests may ask for: databases with the tables in them, empty ones, and a Redis of their own."""

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg2
import pytest
import redis

from gateway.dev.servers import EmbeddedValkey
from models.db.migrate import migrate
from tests import compiling, factories, long, ports, servers, warm

#: A key for tests only.
KEY = "bm90LWEta2V5LWZvci1hbnl0aGluZy1idXQtdGVzdHM="
#: For processes whose tests are not about sealing.
IN_CLEAR = {"ALLOW_PLAINTEXT": "1"}
#: A limit that no test meets by accident, for the web of tests that are about something else.
UNLIMITED = {"RATE_LIMIT": "1000000000/second"}
#: What `emptied_database_url` empties, each before what it refers to.
TABLES = """referans.sign_ins, referans.people, referans.bulk_orders, referans.bulk_actions,
    referans.order_events, referans.notifications, referans.deliveries, referans.receivers,
    referans.former_references, referans.callback_events, referans.idempotency_keys,
    referans.repeat_guards,
    referans.stock_codes, product_orders, referans.api_keys, referans.routes, referans.provider_health,
    referans.provider_counts, referans.balance_readings, referans.balance_points, referans.balance_chains,
    referans.balance_gaps,
    referans.statement_lines, referans.statement_parts, referans.statement_columns, referans.statements,
    referans.counters, referans.measurements, referans.pulse, referans.pulse_durations,
    referans.alert_messages, referans.alerts, referans.alert_turn,
    referans.report_days, referans.report_months, referans.report_progress, referans.day_totals, referans.month_totals,
    referans.sweeps, referans.heartbeats, referans.sealing_progress, referans.protocols, referans.catalogue_watches,
    referans.providers"""
#: Deletes, since to truncate makes new files of each table and index, which takes several times as long.
EMPTY = f"""
DECLARE counter record; BEGIN
    {" ".join(f"DELETE FROM {table.strip()};" for table in TABLES.split(","))}
    FOR counter IN SELECT schemaname, sequencename, start_value FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        PERFORM setval(format('%I.%I', counter.schemaname, counter.sequencename), counter.start_value, false);
    END LOOP;
END"""
#: Logical databases of a Redis server, of which an empty one is chosen.
REDIS_DATABASES = range(15, -1, -1)

#: The same examples each time, however long one takes, so that no run fails by chance; `make soak` tries others.
hypothesis.settings.register_profile(
    "tests", hypothesis.settings.get_profile("ci"), derandomize=long.either(True, False)
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Make the directory that the workers of xdist share, see `servers`, and take this one's ports."""
    ports.share()
    if not hasattr(config, "workerinput"):
        os.environ[servers.RUN] = tempfile.mkdtemp(prefix="referans-run-", dir=servers.directory())
        Path(os.environ[servers.RUN]).chmod(
            0o755
        )  # PostgreSQL runs as another user where the tests run as root


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(servers.RUN), ignore_errors=True)


def pytest_collection(session: pytest.Session) -> None:
    """Compile the tests once for all workers of xdist."""
    gc.disable()  # ten thousand tests are kept anyway
    if given := getattr(session.config, "workerinput", None):
        compiling.share(session.config, given["workerid"], given["workercount"])


def pytest_collection_finish() -> None:
    """Look no more through what stays until the end: each of many `gc.collect` took a third of a second."""
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker of xdist begin with its share of the stories.

    They take nine tenths of the time, mostly waiting, and a worker begins with a part of the list that is as long as
    the others' and not shared: in the order of the folders one worker would tell nearly all of them. The longest, which
    have a timeout of their own, come first, so that each worker has some of them and none ends last.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items.sort(key=_longest, reverse=True)
    stories = [item for item in items if "acceptance" in item.path.parts]
    others = [item for item in items if "acceptance" not in item.path.parts]
    ordered: list[pytest.Item] = []
    for number in range(workers):
        size = (len(items) - len(ordered)) // (workers - number)
        part = stories[number::workers]
        taken = max(0, size - len(part))
        ordered += [*part, *others[:taken]]
        del others[:taken]
    items[:] = [*ordered, *others]


def _longest(item: pytest.Item) -> float:
    """Seconds that a test may take by a mark of its own."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function) -> Generator[None]:
    """Remove the data of a test's own servers once they have ended: it lies in memory."""
    used = item.funcargs
    yield
    if {"open_directory", "tmp_path"} <= used.keys():
        shutil.rmtree(used["open_directory"] / used["tmp_path"].name, ignore_errors=True)


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory every user may enter, as PostgreSQL must where the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="referans-tests-", dir=servers.directory()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres_url(open_directory: Path) -> Iterator[str]:
    """Of a PostgreSQL server on which databases may be created."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with servers.postgres(open_directory / "postgres", durable=False) as server:
        yield server.url


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a database in which every migration is applied."""
    with _database(postgres_url) as url:
        migrate(url, echo=lambda line: None)
        yield _name(url)


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A database of this test's own, with the tables."""
    with _database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A database with the tables, shared by tests that leave nothing but rows behind."""
    with _database(postgres_url, template_database) as url:
        warm.outlives_tests(_name(url))
        yield url


@pytest.fixture
def emptied_database_url(shared_database_url: str) -> str:
    """The shared database with nothing in its tables: many times faster than a database of the test's own."""
    warm.run(shared_database_url, EMPTY)
    return shared_database_url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database of this test's own, with nothing in it."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture
def stranger_url(empty_database_url: str) -> Iterator[str]:
    """The URL of the empty database for a role that may do nothing but connect."""
    name = urlsplit(empty_database_url).path.removeprefix("/")
    role = f"referans_stranger_{uuid.uuid4().hex[:8]}"
    _execute(
        empty_database_url,
        f"CREATE ROLE {role} LOGIN PASSWORD '{role}'; REVOKE ALL ON SCHEMA public FROM PUBLIC",
    )
    _execute(empty_database_url, f"REVOKE CREATE, TEMPORARY ON DATABASE {name} FROM PUBLIC")
    parts = urlsplit(empty_database_url)
    try:
        yield parts._replace(netloc=f"{role}:{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    finally:
        _execute(empty_database_url, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def db(request: pytest.FixtureRequest) -> Iterator[None]:
    """The models bound to an empty database that has the provider `sandbox`, with sealing on.

    It is the one of the test's own if the test asks for that too.
    """
    own = "database_url" in request.fixturenames
    url = request.getfixturevalue("database_url" if own else "emptied_database_url")
    with factories.bound(url, keys=[KEY]):
        factories.add_provider()
        yield


@pytest.fixture(scope="session")
def _redis_database(open_directory: Path) -> Iterator[str]:
    if given := os.environ.get("TEST_REDIS_URL"):
        yield _empty_redis(given)
        return
    with EmbeddedValkey(open_directory / "valkey", durable=False) as server:
        yield server.url


@pytest.fixture
def redis_url(_redis_database: str) -> Iterator[str]:
    """A Redis database that is empty when the test begins and is emptied when it ends."""
    yield _redis_database
    with closing(redis.Redis.from_url(_redis_database)) as client:
        client.flushdb()


@pytest.fixture
def own_redis_url(open_directory: Path, tmp_path: Path) -> Iterator[str]:
    """Of a Valkey server of this test's own, whose settings may be changed."""
    with EmbeddedValkey(open_directory / tmp_path.name / "valkey", durable=False) as server:
        yield server.url


@contextmanager
def _database(server_url: str, template: str = "template1") -> Iterator[str]:
    name = f"referans_test_{uuid.uuid4().hex[:12]}"
    with closing(psycopg2.connect(server_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        # To write every page to the log takes four times the processor time; before 15 files were always copied.
        strategy = "STRATEGY FILE_COPY" if connection.server_version >= 15_00_00 else ""
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _empty_redis(url: str) -> str:
    """An unused database of the server at `url`, for this worker alone: the others may hold data of other programs."""
    for number in ports.mine(REDIS_DATABASES):
        candidate = urlsplit(url)._replace(path=f"/{number}").geturl()
        with closing(redis.Redis.from_url(candidate)) as client:
            if client.dbsize() == 0:
                return candidate
    pytest.exit("TEST_REDIS_URL: none of its databases is empty", returncode=2)
