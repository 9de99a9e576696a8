"""Orders that need a person, and why; what an operator looks at first.

A reason that stands in an order's `attention` stays until a person has decided. The others are computed here from its
plan and its provider, and go by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from gateway.settings import Settings
from models.db import database, receiver
from models.order import COLUMNS, TELL, Order
from models.plans import IS_PLANNED
from models.provider_health import IS_BLOCKED, IS_DOWN
from models.route import IS_AFFORDABLE, IS_FOR_ORDER
from models.status import GRAVE, IS_NOWHERE, IS_OPEN, IS_OURS, KEPT, Attention

#: Seconds that an order may be in doubt before it counts as stuck.
IN_DOUBT_SECONDS = 300
#: Stuck orders that are counted, or chosen for one command, at most.
MOST = 10_000
#: The condition of no filter.
ALL = "true"


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as stuck."""

    #: A plan that is overdue by more was missed by a whole sweep.
    sweep_period_seconds: float
    #: Checks that an order gets by backoff; after them it is asked about by the sweep only, slowly.
    max_checks: int
    #: The plan of an order that was just placed; with any other one it was put off.
    first_check_delay_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """By these settings."""
        return cls(settings.sweep_period_seconds, settings.max_checks, settings.first_check_delay)

    def parameters(self) -> dict[str, Any]:
        """What KIND takes."""
        return {
            "period": self.sweep_period_seconds,
            "max_checks": self.max_checks,
            "first_check": self.first_check_delay_seconds,
        }


@dataclass(frozen=True, slots=True)
class StuckOrder(Order):
    """An order that needs a person (`attention` says why), and what shows that it does."""

    #: When `attention` was set; for a computed one, when the order was last sent, or else placed.
    since: datetime
    #: How long ago that is.
    waits_seconds: float
    #: Seconds by which its plan is overdue; negative if it is not, None without a plan.
    overdue_seconds: float | None
    check_count: int
    #: The gateway placed it.
    is_ours: bool
    #: The provider that it is routed to is configured.
    has_provider: bool
    #: No provider has it: it was not sent, or has never reached one.
    is_nowhere: bool
    #: The breaker of its provider is open; its last error.
    is_down: bool
    provider_error: str | None
    #: Who has paused its provider, and why.
    paused_by: str | None
    pause_reason: str | None
    #: What contradicts it, as the timeline has it.
    conflict: str | None

    @property
    def why(self) -> str:
        """Why it needs a person, in a sentence without its full stop."""
        facts = {
            "provider": self.provider_id,
            "referans": self.provider_referans,
            "waits": f"{self.waits_seconds / 60:.0f} min",
            "late": f"{(self.overdue_seconds or 0) / 60:.0f} min",
            "checks": self.check_count,
            "is": self._provider_is,
            "conflict": self._contradiction,
            "attention": self.attention,
        }
        why = ELSEWHERE if self.is_elsewhere else WHY.get(str(self.attention), UNKNOWN)
        return why.format(**facts)

    @property
    def is_elsewhere(self) -> bool:
        """Another system has sent it to a provider that is not configured here."""
        return self.attention == Attention.NO_PROVIDER and not (self.is_ours or self.has_provider)

    @property
    def _contradiction(self) -> str:
        """What came first, and what came then."""
        first, then = self.external_status, (self.conflict or "see its timeline").removeprefix("conflict: ")
        if then == first or then.startswith(f"{first}, "):
            then = f"{first} with another code"
        return f"first {first}, then {then}"

    @property
    def _provider_is(self) -> str:
        if not self.has_provider:
            return "is not configured"
        if self.paused_by:
            return f"is paused by {self.paused_by} ({self.pause_reason})"
        return f"is down ({self.provider_error})" if self.is_down else "cannot be used"


#: The kinds that are computed, and the one that gives way to them.
LIGHT = (*(each for each in Attention if each not in KEPT), Attention.NOTIFICATION_DEAD)
#: Why an order needs a person, by kind.
WHY: dict[str, str] = {
    Attention.CONFLICT: "its outcomes contradict each other: {conflict}",
    Attention.CANNOT_ASK: "{provider} may have it, and cannot be asked for it: look for it in its panel",
    Attention.REVERSED: "{provider} has taken its delivery back",
    Attention.NO_CODE: "completed, but {provider} has not given the code that it should have",
    Attention.PARTIAL: "{provider} has delivered a part of it only",
    Attention.IN_DOUBT: "in doubt for {waits}: {provider} may have it as {referans}",
    Attention.TIMED_OUT: "{provider} has not said how it ended; another system placed it, so it was left as it is",
    Attention.MANUAL: "has waited for {waits} for a person to fulfil it",
    Attention.NO_PROVIDER: "no provider can take it: {provider} {is}, and its route has no other that can",
    Attention.PROVIDER_DOWN: "waits for {provider}, which {is}",
    Attention.OVERDUE: "its next step is overdue by {late}: a sweep has missed it",
    Attention.NO_ANSWER: "no outcome after {checks} checks; {provider} is asked slowly now",
    Attention.NOTIFICATION_DEAD: "the storefront could not be told of it, and is not told again by itself",
}
#: Of an order of another system, in place of NO_PROVIDER.
ELSEWHERE = (
    "another system has sent it to {provider}, which is not configured here, so nobody here asks about it"
)
#: Of a kind that another version has set.
UNKNOWN = "{attention}; its timeline says more"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Where an order stands in a list of one kind."""

    since: datetime
    id: str


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many orders need a person for one reason: a row of SUMMARY."""

    kind: str
    count: int
    #: Since when the longest waiting one does.
    oldest: datetime


def orders(
    limits: Limits,
    limit: int,
    kind: Attention | None = None,
    provider_id: str | None = None,
    tenant_id: str | None = None,
    *,
    after: Waiting | None = None,
    narrowed: tuple[str, Mapping[str, Any]] = (ALL, {}),
) -> list[StuckOrder]:
    """Up to `limit` stuck orders: the gravest kind first, of one kind the longest waiting first.

    With a kind, those that stand behind `after`. `narrowed` is a further condition on the order `o`, with its values.
    """
    chosen = {
        "after_at": after and after.since,
        "after_id": after and after.id,
        "kind": kind,
        "provider": provider_id,
        "tenant": tenant_id,
        "kinds": list(Attention),
        "limit": limit,
    }
    condition, values = narrowed
    statement = STUCK if condition == ALL else STUCK.replace(NARROWED, _NARROWING.format(condition=condition))
    return database.load(StuckOrder, statement, limits.parameters() | chosen | dict(values))


def longest(limits: Limits, of_each: int) -> dict[str, list[StuckOrder]]:
    """Up to `of_each` orders of every kind that Attention has, the longest waiting first. Raises database.TooSlow."""
    values = {"kinds": list(Attention), "of_each": of_each}
    found: dict[str, list[StuckOrder]] = {}
    for each in database.load_list(StuckOrder, LONGEST, limits.parameters() | values):
        found.setdefault(str(each.attention), []).append(each)
    return found


def find(order_id: str, limits: Limits) -> StuckOrder | None:
    """The order with this id, if it needs a person."""
    return database.load_one(StuckOrder, FIND, limits.parameters() | {"id": order_id})


def ids(limits: Limits, kind: Attention) -> list[str]:
    """The ids of up to MOST orders of one kind, longest waiting first."""
    chosen = {"kind": kind, "provider": None, "tenant": None, "kinds": list(Attention), "limit": MOST}
    chosen |= {"after_at": None, "after_id": None}
    return [row["id"] for row in database.rows(IDS, limits.parameters() | chosen)]


def summary(limits: Limits) -> list[KindCount]:
    """How many orders need a person, and since when, by kind in the kinds' order. Raises database.TooSlow."""
    return _in_order(database.load_list(KindCount, SUMMARY, limits.parameters()))


def counts(limits: Limits) -> dict[str, int]:
    """How many orders need a person, by kind, in the kinds' order. None is no entry."""
    found = database.load(KindCount, SUMMARY, limits.parameters())
    return {each.kind: each.count for each in _in_order(found)}


def _in_order(found: Sequence[KindCount]) -> list[KindCount]:
    by_kind = {each.kind: each for each in found}
    return [
        by_kind[kind] for kind in [*Attention, *sorted(by_kind.keys() - set(Attention))] if kind in by_kind
    ]


def tell(limits: Limits, limit: int) -> int:
    """Tell the storefront of up to `limit` orders that need a person for a computed reason, once each; how many.

    What was told is found among the notifications. An order that changes meanwhile is looked at again.
    """
    if not receiver.tells():
        return 0
    values = limits.parameters() | {"limit": limit, "has_receiver": receiver.has_default()}
    return len(database.rows(TELL_COMPUTED, values))


def unheard(limits: Limits) -> set[tuple[str, str]]:
    """Up to MOST orders that need a person for a computed reason and have no receiver, by id; each with that reason."""
    values = limits.parameters() | {"has_receiver": receiver.tells() and receiver.has_default()}
    return {(row["id"], row["kind"]) for row in database.rows(UNHEARD, values)}


#: Joined to the order `o`: its provider `p` and that one's health `h`.
PROVIDER = """
LEFT JOIN referans.providers AS p ON p.id = o."providerId"
LEFT JOIN referans.provider_health AS h ON h.provider_id = o."providerId"
"""
_MAY_COST = IS_AFFORDABLE.format(
    max_cost='o."maxCostAmount"', max_cost_currency='o."maxCostCurrency"', quantity="o.quantity"
)
#: In SQL: another provider of the order's route, which has not refused it, is configured and … .
_HAS_OTHER = f"""EXISTS (
    SELECT FROM referans.routes AS r JOIN referans.providers AS other ON other.id = r.provider_id
        LEFT JOIN referans.provider_health AS h ON h.provider_id = other.id
    WHERE {IS_FOR_ORDER}
      AND r.provider_id IS DISTINCT FROM o."providerId"
      AND r.provider_id <> ALL (COALESCE(o."triedProviders", ARRAY[]::text[]))
      AND {_MAY_COST} AND {{condition}}
)"""
_HAS_AVAILABLE = _HAS_OTHER.format(condition=f"NOT {IS_BLOCKED}")
_HAS_BLOCKED = _HAS_OTHER.format(condition=IS_BLOCKED)
#: No worker could give it to a provider, and it was put off: its plan is neither the first one nor due.
_IS_PUT_OFF = """(
    o."nextCheckAt" > now() AND o."nextCheckAt" <> o."createdAt" + make_interval(secs => %(first_check)s)
)"""
#: Not sent, and no provider of its route could be found that takes it now. One that was put off by its provider's
#: "not now", which leaves "lastSyncAt" behind, waits for that one.
_IS_HELD = f"""(
    o."externalStatus" = 'not_sent'
    AND ({_IS_PUT_OFF} AND o."lastSyncAt" IS NULL OR (p.id IS NULL OR {IS_BLOCKED}) AND NOT {_HAS_AVAILABLE})
)"""
#: In SQL, of the order `o` joined with PROVIDER: why it needs a person, or NULL. Takes `Limits.parameters`.
KIND = f"""CASE
    WHEN {GRAVE} IS NOT NULL THEN o.attention
    WHEN o."nextCheckAt" IS NULL OR NOT {IS_PLANNED} THEN o.attention
    WHEN o."externalStatus" IN ('pending', 'queued') AND NOT {IS_NOWHERE}
        AND o."claimedAt" < now() - make_interval(secs => {IN_DOUBT_SECONDS}) THEN '{Attention.IN_DOUBT}'
    WHEN {_IS_HELD} AND ({IS_BLOCKED} OR {_HAS_BLOCKED}) THEN '{Attention.PROVIDER_DOWN}'
    WHEN {_IS_HELD} OR o."externalStatus" IS DISTINCT FROM 'not_sent' AND p.id IS NULL AND {IS_OPEN}
    THEN '{Attention.NO_PROVIDER}'
    WHEN o."externalStatus" IS DISTINCT FROM 'not_sent' AND COALESCE({IS_DOWN}, false)
        OR o."externalStatus" = 'pending' AND {IS_NOWHERE} AND {IS_BLOCKED} THEN '{Attention.PROVIDER_DOWN}'
    WHEN o."nextCheckAt" < now() - make_interval(secs => %(period)s) THEN '{Attention.OVERDUE}'
    WHEN o."externalStatus" IS DISTINCT FROM 'not_sent' AND o."checkCount" >= %(max_checks)s AND {IS_OPEN}
    THEN '{Attention.NO_ANSWER}'
    ELSE o.attention
END"""
#: The fields of an Order as people see it: `attention` is KIND. The order `o` is joined with PROVIDER.
SHOWN = COLUMNS.replace("o.attention", f"{KIND} AS attention")
#: In SQL: a {kind} that stands in an order's `attention`, and gives way to none.
_IS_GRAVE = f"""({{kind}} <> ALL (ARRAY[{", ".join(f"'{each}'" for each in LIGHT)}]))"""
_FOUND = """
SELECT o.id, o."providerId" AS provider_id, o."tenantId" AS tenant_id, {kind} AS kind,
    CASE WHEN o.attention IS NOT NULL AND o."attentionAt" IS NOT NULL THEN o."attentionAt"
        ELSE COALESCE(o."sentAt", o."claimedAt", o."resentAt", o."createdAt") END AS since
FROM ({source}) AS o {provider}
"""
#: Only those that may be of the kind %(kind)s, if that is given: a grave one is what the order's `attention` says. Uses
#: the indexes of `attention` and idx_orders_planned: its cost follows what waits, never the size of the table.
_WAITING_OF_KIND = _FOUND.format(
    kind=KIND,
    source=f"""
    SELECT * FROM product_orders AS o WHERE o.attention IS NOT NULL AND (%(kind)s::text IS NULL
        OR o.attention = CASE WHEN {_IS_GRAVE.format(kind="%(kind)s::text")} THEN %(kind)s::text
            ELSE '{Attention.NOTIFICATION_DEAD}' END)
    UNION ALL
    SELECT * FROM product_orders AS o WHERE o."nextCheckAt" IS NOT NULL AND o.attention IS NULL
        AND (%(kind)s::text IS NULL OR NOT {_IS_GRAVE.format(kind="%(kind)s::text")})
    """,
    provider=PROVIDER,
)
#: Those of which no grave kind is known.
_WAITING_LIGHTLY = _FOUND.format(
    kind=KIND,
    source=f"""
    SELECT * FROM product_orders AS o WHERE o.attention = '{Attention.NOTIFICATION_DEAD}'
    UNION ALL
    SELECT * FROM product_orders AS o WHERE o."nextCheckAt" IS NOT NULL AND o.attention IS NULL
    """,
    provider=PROVIDER,
)
_BY_ID = _FOUND.format(
    kind=KIND, source="SELECT * FROM product_orders AS o WHERE o.id = %(id)s::uuid", provider=PROVIDER
)
#: In SQL: the order with {id}. OFFSET keeps conditions on it out of it: of a provider that is new PostgreSQL expects no
#: orders, and would look through all of its 10,000 once for each that is stuck.
BY_ID = "SELECT * FROM product_orders AS o WHERE o.id = {id} OFFSET 0"
#: Where a further condition on the order `o` stands in what is made of _CHOSEN, and what then stands there.
NARROWED = "true /* narrowed */"
_NARROWING = f"EXISTS (SELECT FROM ({BY_ID.format(id='found.id')}) AS o WHERE {{condition}})"
_CHOSEN = f"""
SELECT found.* FROM ({_WAITING_OF_KIND}) AS found
WHERE found.kind IS NOT NULL AND (%(kind)s::text IS NULL OR found.kind = %(kind)s::text)
  AND (%(provider)s::text IS NULL OR found.provider_id = %(provider)s::text)
  AND (%(tenant)s::uuid IS NULL OR found.tenant_id = %(tenant)s::uuid)
  AND (%(after_at)s::timestamptz IS NULL
    OR (found.since, found.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
  AND {NARROWED}
ORDER BY array_position(%(kinds)s::text[], found.kind), found.since, found.id LIMIT %(limit)s
"""
IDS = f"SELECT chosen.id::text AS id FROM ({_CHOSEN}) AS chosen"
_DETAILS = f"""
SELECT {COLUMNS.replace("o.attention", "chosen.kind AS attention")}, chosen.since,
    EXTRACT(EPOCH FROM now() - chosen.since)::float8 AS waits_seconds,
    EXTRACT(EPOCH FROM now() - o."nextCheckAt")::float8 AS overdue_seconds, COALESCE(o."checkCount", 0) AS check_count,
    {IS_OURS} AS is_ours, p.id IS NOT NULL AS has_provider,
    o."externalStatus" = 'not_sent' OR o."externalStatus" = 'pending' AND {IS_NOWHERE} AS is_nowhere,
    COALESCE({IS_DOWN}, false) AS is_down, h.last_error AS provider_error, h.paused_by, h.pause_reason, (
        SELECT e.message FROM referans.order_events AS e WHERE e.order_id = o.id AND e.result = 'conflict'
        ORDER BY e.id DESC LIMIT 1
    ) AS conflict
FROM ({{chosen}}) AS chosen JOIN product_orders AS o ON o.id = chosen.id {PROVIDER}
"""
FIND = _DETAILS.format(chosen=f"SELECT found.* FROM ({_BY_ID}) AS found WHERE found.kind IS NOT NULL")
STUCK = f"""
{_DETAILS.format(chosen=_CHOSEN)}
ORDER BY array_position(%(kinds)s::text[], chosen.kind), chosen.since, chosen.id
"""
_FIRST = "ORDER BY found.since, found.id LIMIT %(of_each)s"
#: Those of the grave kind `of.kind` of which it is not known when that was set.
_OF_NO_TIME = _FOUND.format(
    kind="o.attention",
    source='SELECT * FROM product_orders AS o WHERE o.attention = of.kind AND o."attentionAt" IS NULL',
    provider="",
)
#: Of each kind the first ones. Its index has those of a grave kind in this order; all others are looked at once.
_FIRST_OF_EACH = f"""
SELECT found.* FROM unnest(%(kinds)s::text[]) AS of (kind) CROSS JOIN LATERAL (
    SELECT found.id, found.kind, found.since FROM (
        (SELECT o.id, o.attention AS kind, o."attentionAt" AS since FROM product_orders AS o
        WHERE o.attention = of.kind AND o."attentionAt" IS NOT NULL
        ORDER BY o."attentionAt", o.id LIMIT %(of_each)s)
        UNION ALL
        SELECT found.id, found.kind, found.since FROM ({_OF_NO_TIME}) AS found
    ) AS found WHERE {_IS_GRAVE.format(kind="of.kind")} {_FIRST}
) AS found
UNION ALL
SELECT found.* FROM unnest(%(kinds)s::text[]) AS of (kind) CROSS JOIN LATERAL (
    SELECT found.* FROM lightly AS found WHERE found.kind = of.kind {_FIRST}
) AS found
"""
LONGEST = f"""
WITH lightly AS MATERIALIZED (
    SELECT found.id, found.kind, found.since FROM ({_WAITING_LIGHTLY}) AS found WHERE found.kind IS NOT NULL
)
{_DETAILS.format(chosen=_FIRST_OF_EACH)}
ORDER BY chosen.since, chosen.id
"""
#: Grave kinds are counted in their index.
SUMMARY = f"""
SELECT o.attention AS kind, count(*)::int AS count, COALESCE(min(o."attentionAt"), now()) AS oldest
FROM product_orders AS o WHERE o.attention IS NOT NULL AND o.attention <> '{Attention.NOTIFICATION_DEAD}' GROUP BY 1
UNION ALL
SELECT found.kind, count(*)::int AS count, min(found.since) AS oldest
FROM ({_WAITING_LIGHTLY}) AS found WHERE found.kind IS NOT NULL GROUP BY 1
"""
#: In SQL: the ids of all orders of one kind, of one provider if given.
ALL_OF_KIND = f"""
SELECT found.id FROM ({_WAITING_OF_KIND}) AS found WHERE found.kind = %(kind)s::text
    AND (%(provider)s::text IS NULL OR found.provider_id = %(provider)s::text)
"""
#: In SQL: no notification says yet that the order `o` needs a person for {kind}, which is a computed reason.
_IS_UNSAID = f"""{{kind}} = ANY (ARRAY[{", ".join(f"'{each}'" for each in Attention if each not in KEPT)}])
    AND NOT EXISTS (
        SELECT FROM referans.notifications AS n
        WHERE n.order_id = o.id AND n.type = 'order.attention' AND n.payload ->> 'attention' = {{kind}})"""
#: In SQL: so it is, and the storefront has a receiver for it.
_IS_UNTOLD = f"""{_IS_UNSAID} AND (o."notifyUrl" IS NOT NULL OR %(has_receiver)s::boolean)"""
#: The lock is what keeps an end that comes at the same time from being told first, and this after it.
TELL_COMPUTED = f"""
WITH untold AS (
    SELECT found.id FROM ({_WAITING_LIGHTLY}) AS found JOIN product_orders AS o ON o.id = found.id
    WHERE {_IS_UNTOLD.format(kind="found.kind")} LIMIT %(limit)s
), locked AS (
    SELECT o.*, {KIND} AS computed FROM product_orders AS o {PROVIDER}
    WHERE o.id = ANY (ARRAY(SELECT untold.id FROM untold)) AND {_IS_UNTOLD.format(kind=f"({KIND})")}
    FOR UPDATE OF o SKIP LOCKED
)
{TELL.format(kind="'order.attention'", source="locked AS o").replace("o.attention", "o.computed AS attention")}
RETURNING order_id
"""
#: Orders that TELL_COMPUTED would tell of if they had a receiver.
UNHEARD = f"""
SELECT found.id::text AS id, found.kind FROM ({_WAITING_LIGHTLY}) AS found JOIN product_orders AS o ON o.id = found.id
WHERE {_IS_UNSAID.format(kind="found.kind")} AND o."notifyUrl" IS NULL AND NOT %(has_receiver)s::boolean
LIMIT {MOST}
"""
