"""Removing a provider. Its orders, their timelines and its callbacks stay."""

from dataclasses import dataclass

from models.db import database
from models.status import IS_OPEN


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many orders wait for a provider."""

    #: Not sent to it yet.
    unsent: int
    #: Sent, or being sent: its answer is awaited.
    sent: int
    #: Completed, and asked about for their code or on request.
    ended: int

    def __bool__(self) -> bool:
        return bool(self.unsent or self.sent or self.ended)


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed, or why nothing was."""

    #: False if orders wait for it and it was not forced: then nothing was changed.
    is_done: bool
    waiting: Waiting
    #: Its routes, which go with it.
    routes: int


def remove(provider_id: str, *, even_if_awaited: bool) -> Removal | None:
    """Remove the provider, its routes and what is known of its health. None if it does not exist.

    An order placed at the same instant may still have been given to it. Like every unsent order whose provider is gone
    it moves to the next provider of its route, or fails when its time is up.
    """
    with database.database.atomic() as transaction:
        routes = len(database.rows(REMOVE_ROUTES, (provider_id,)))
        [waiting] = database.load(Waiting, WAITING, {"provider": provider_id})
        if waiting and not even_if_awaited:
            transaction.rollback()
            return Removal(False, waiting, routes)
        database.rows(REMOVE_HEALTH, {"id": provider_id})
        if database.row(REMOVE, (provider_id,)) is None:
            return None
    return Removal(True, waiting, routes)


REMOVE_ROUTES = "DELETE FROM referans.routes WHERE provider_id = %s RETURNING id"
REMOVE_HEALTH = """
WITH points AS (DELETE FROM referans.balance_points WHERE provider_id = %(id)s)
DELETE FROM referans.provider_health WHERE provider_id = %(id)s
"""
REMOVE = "DELETE FROM referans.providers WHERE id = %s RETURNING id"
#: Uses idx_orders_planned and idx_orders_attention. An open order without a plan waits for a person, who may still need
#: its provider.
WAITING = f"""
SELECT count(*) FILTER (WHERE awaited.is_open AND awaited."externalStatus" = 'not_sent')::int AS unsent,
    count(*) FILTER (WHERE awaited.is_open AND awaited."externalStatus" IS DISTINCT FROM 'not_sent')::int AS sent,
    count(*) FILTER (WHERE NOT awaited.is_open)::int AS ended
FROM (
    SELECT o.id, o."externalStatus", {IS_OPEN} AS is_open
    FROM product_orders AS o
    WHERE o."nextCheckAt" IS NOT NULL AND o."providerId" = %(provider)s
    UNION
    SELECT o.id, o."externalStatus", true
    FROM product_orders AS o
    WHERE o.attention IS NOT NULL AND o."providerId" = %(provider)s AND {IS_OPEN}
) AS awaited
"""
