"""A running gateway for the clients, with a proxy in front of it that loses answers."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.dev.servers import EmbeddedValkey
from models.db.migrate import migrate
from tests import servers
from tests.acceptance.system import running
from tests.clients import flaky, stripped

ROOT = Path(__file__).parents[2]
PYTHON, TYPESCRIPT = ROOT / "clients/python", ROOT / "clients/typescript"
NEEDS_NODE = pytest.mark.skipif(stripped.node_version() < (20,), reason="needs Node 20 or later")


@dataclass(frozen=True)
class Gateway:
    """A running one, and a proxy in front of it that loses answers."""

    url: str
    flaky: str
    key: str


@pytest.fixture(scope="package")
def gateway(open_directory: Path) -> Iterator[Gateway]:
    directory = open_directory / f"clients-{uuid.uuid4().hex[:8]}"
    directory.mkdir(mode=0o755)
    with (
        servers.postgres(directory / "postgres", durable=False) as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
    ):
        migrate(postgres.url, echo=lambda line: None)
        with (
            running(postgres.url, valkey.url, directory, settle_after_seconds=0.2) as system,
            flaky.proxy(system.url) as proxy,
        ):
            yield Gateway(system.url, proxy, system.authorization["Authorization"].removeprefix("Bearer "))
