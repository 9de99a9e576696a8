"""What the tests of the simulator share."""

from collections.abc import Iterator

import pytest

from tests.gateway.dev.receiving import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join()
