"""Orders in every state that a test of the command line wants."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from models import claims, order, placing, provider, provider_health, route
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import ExternalStatus, Source
from tests import factories

#: Binds the models, for as long as a `with` block runs.
Models = Callable[[], AbstractContextManager[None]]
#: Seconds.
DAY = 86400.0


class Desk:
    """Orders in every state a test wants."""

    def __init__(self, models: Models) -> None:
        self.models = models
        with models():
            provider.save(Provider("bayi", "znet", "https://b.example", "token", {"kod": "1", "sifre": "2"}))
            route.add("*", "*", "bayi", {})

    def placed(self) -> dict[str, Any]:
        with self.models():
            return factories.place_new(placing.NewOrder("p", "q", "ali"))

    def sent(self) -> dict[str, Any]:
        found = self.claimed()
        self.settle(found, Outcome(ExternalStatus.SENT, found["provider_referans"]), Source.DISPATCH)
        return found

    def claimed(self) -> dict[str, Any]:
        found = self.placed()
        with self.models():
            assert claims.claim_dispatch(found["id"], grace_seconds=60)
        return found

    def completed(self, pin: str) -> dict[str, Any]:
        found = self.sent()
        self.settle(
            found,
            Outcome(ExternalStatus.COMPLETED, found["provider_referans"], codes=(Code(pin),) if pin else ()),
            Source.POLL,
        )
        return found

    def settle(self, found: dict[str, Any], outcome: Outcome, source: Source) -> None:
        arrival = Arrival("bayi", source, outcome, order_id=found["id"], next_check_seconds=60)
        with self.models():
            order.settle([arrival], order_timeout_seconds=DAY)

    def change(self, found: dict[str, Any], assignments: str) -> None:
        with self.models():
            database.rows(f"UPDATE product_orders SET {assignments} WHERE id = %s", (found["id"],))

    def break_provider(self) -> None:
        with self.models():
            for _ in range(provider_health.BREAKER_THRESHOLD):
                provider_health.failed("bayi", "no answer in time", 30)

    def next_check_is_due(self, found: dict[str, Any]) -> bool:
        with self.models():
            sql = 'SELECT "nextCheckAt" <= now() AS due FROM product_orders WHERE id = %s'
            return bool(database.rows(sql, (found["id"],))[0]["due"])
