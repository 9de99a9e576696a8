"""What happened to an order, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway import log
from models import texts
from models.db import database, sealed
from models.outcome import order_owner, owner
from models.status import Source

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an order."""

    id: int
    at: datetime
    source: str
    #: The order's externalStatus before and after.
    came_from: str | None
    went_to: str | None
    message: str | None
    #: The API key or the person that did it; None for the gateway and its providers.
    by: str | None
    #: What a provider wrote, where something of it is masked in the message: sealed, for those who may read codes.
    whole: str | None = field(default=None, repr=False)


#: The fields of an Event, in SQL.
COLUMNS = 'e.id, e.at, e.source, e."from" AS came_from, e."to" AS went_to, e.message, e."by", e.whole'


def record(order_id: str, source: Source, message: str, by: str | None = None) -> None:
    """Record something that changed no status; of the message, at most texts.TIMELINE characters.

    The words of a provider in it are a `masking.ProviderText`, of which the whole is kept sealed.
    """
    values = {
        "order_id": order_id,
        "source": source.value,
        "message": texts.clean(message, texts.TIMELINE),
        "by": by,
        "whole": sealed_whole(order_id, message),
    }
    database.rows(RECORD, values)


def record_once(order_id: str, source: Source, message: str, by: str, within_seconds: float) -> None:
    """`record`, unless the same stands on the timeline already and is younger than `within_seconds`."""
    values = {
        "order_id": order_id,
        "source": source.value,
        "message": texts.clean(message, texts.TIMELINE),
        "by": by,
        "whole": None,
        "within": within_seconds,
    }
    database.rows(RECORD_ONCE, values)


def sealed_whole(order_id: str, message: str) -> str | None:
    """The whole of a provider's words, sealed for this order; None if nothing of them is masked."""
    whole: str | None = getattr(message, "whole", None)
    return whole and sealed.seal(whole, order_owner(order_id))


def events(order_id: str, limit: int | None = None, after_id: int = 0) -> list[Event]:
    """An order's timeline, oldest first: up to `limit` events (all of them if it is None) that follow `after_id`."""
    return database.load(Event, EVENTS, {"order_id": order_id, "limit": limit, "after": after_id})


def ends(order_id: str, first: int, last: int) -> list[Event]:
    """The `first` and the `last` events of an order's timeline, oldest first: how it was sent, and how it stands."""
    newest = database.load(Event, NEWEST, {"order_id": order_id, "limit": last})[::-1]
    if len(newest) < last:
        return newest
    return [each for each in events(order_id, first) if each.id < newest[0].id] + newest


def opened(order_id: str, found: Sequence[Event]) -> list[Event]:
    """These events of an order, with what was masked in clear; what does not open is logged, and stays masked."""
    if not any(event.whole for event in found):
        return list(found)
    owners = _owners(order_id)
    return [_opened(event, owners) for event in found]


def masked(event: Event) -> Event:
    """The event for those who may not read codes."""
    return replace(event, whole=None)


def wholes(order_id: str) -> list[Event]:
    """The events of an order in which a provider's words are masked, with these words in clear, oldest first."""
    masked = [event for event in events(order_id) if event.whole]
    return [event for event in opened(order_id, masked) if event.whole]


def _opened(event: Event, owners: Sequence[str]) -> Event:
    try:
        return replace(event, whole=event.whole and sealed.unseal(event.whole, *owners))
    except sealed.Unsealable as error:
        logger.error(
            "A text of a provider cannot be unsealed.",
            action="unsealable",
            event_id=event.id,
            reason=str(error),
        )
        return replace(event, whole=None)


def _owners(order_id: str) -> list[str]:
    """Whatever a sealed text of the order may belong to: the order, or any of its providers and references."""
    found = [(row["provider_id"], row["reference"]) for row in database.rows(OWNERS, {"id": order_id})]
    return [order_owner(order_id), *(owner(*each) for each in found)]


#: The status stands on both sides, so that a reader sees where the order was.
RECORD = """
INSERT INTO referans.order_events (order_id, source, "from", "to", message, "by", whole)
SELECT o.id, %(source)s, o."externalStatus", o."externalStatus", %(message)s, %(by)s, %(whole)s
FROM product_orders AS o WHERE o.id = %(order_id)s
"""
RECORD_ONCE = f"""
{RECORD.strip()} AND NOT EXISTS (
    SELECT FROM referans.order_events AS e
    WHERE e.order_id = o.id AND e.source = %(source)s AND e.message = %(message)s AND e."by" = %(by)s
      AND e.at > now() - make_interval(secs => %(within)s)
)
"""
EVENTS = f"""
SELECT {COLUMNS} FROM referans.order_events AS e WHERE e.order_id = %(order_id)s AND e.id > %(after)s
ORDER BY e.id LIMIT %(limit)s
"""
NEWEST = f"""
SELECT {COLUMNS} FROM referans.order_events AS e WHERE e.order_id = %(order_id)s ORDER BY e.id DESC LIMIT %(limit)s
"""
#: Each provider that has or had the order, with each reference under which one knew it, or with none.
OWNERS = """
WITH sends AS (
    SELECT o."providerId" AS provider_id, o.provider_referans AS referans, o."externalOrderId" AS external_order_id
    FROM product_orders AS o WHERE o.id = %(id)s
    UNION ALL
    SELECT tried.id, NULL, NULL FROM product_orders AS o, unnest(o."triedProviders") AS tried (id) WHERE o.id = %(id)s
    UNION ALL
    SELECT f.provider_id, f.referans, f.external_order_id FROM referans.former_references AS f WHERE f.order_id = %(id)s
)
SELECT DISTINCT a.provider_id, b.reference
FROM sends AS a, (
    SELECT referans AS reference FROM sends UNION SELECT external_order_id FROM sends UNION SELECT NULL
) AS b
"""
