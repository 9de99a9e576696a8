"""A few seconds of schemathesis with a key, in every run of the tests.

`python -m tests.acceptance.described` has 20 minutes, half of them without a key.
"""

from pathlib import Path

from tests.acceptance.described import add_panel, explored
from tests.acceptance.system import running

SECONDS = 2


def test_schemathesis_finds_no_answer_that_is_not_described(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, processes=["web"], LOG_LEVEL="info") as system:
        add_panel(system)
        assert list(explored(system, SECONDS, seed=1, with_key=True)) == []
    assert "Traceback" not in (tmp_path / "web.log").read_text()
