"""A pooler in transaction mode is found, before it loses prepared statements."""

import pytest

from gateway.commands import server_probes
from gateway.commands.probes import Status
from gateway.settings import load
from tests.gateway.commands.transaction_pooler import pooled


@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_pooler_in_transaction_mode_is_named(database_url: str, is_pooled: bool) -> None:
    if not is_pooled:
        [found] = server_probes.pooler(load({"DATABASE_URL": database_url}, require=()))
        assert found.status is Status.OK
        return
    with pooled(database_url) as url:
        [found] = server_probes.pooler(load({"DATABASE_URL": url}, require=()))
    assert found.status is Status.FAILED and "transaction mode" in found.detail
    assert "session mode" in str(found.next)
