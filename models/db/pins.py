"""How codes stand in "pinCode" of the orders table, which the gateway may share with a storefront that shows them.

Everywhere else (`codes`, former references, the inbox, the stock) they are sealed.
"""

import time
from dataclasses import dataclass
from enum import StrEnum

from models.db import database, sealed

#: Seconds for which a process takes what it has read for true: `gateway migrate` may decide, or widen the column.
KEPT_SECONDS = 60.0


class SealPins(StrEnum):
    """The values of SEAL_PINS."""

    #: As `gateway migrate` has decided for this installation; see `installation`.
    AUTO = "auto"
    ALWAYS = "always"
    #: In clear: a storefront beside the gateway reads them.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a code is to stand in "pinCode"."""

    #: In clear on orders that the gateway has placed.
    own_in_clear: bool
    #: In clear on orders of another system, which cannot open what we seal.
    theirs_in_clear: bool
    #: Characters that the column takes; None is any number. A longer code stands in `codes` only.
    limit: int | None


_choice = SealPins.AUTO
_known: tuple[float, Policy] | None = None


def bind(choice: SealPins) -> None:
    """Keep to this choice from now on, on another database; called by `binding.bind`."""
    global _choice, _known
    _choice, _known = choice, None


def policy() -> Policy:
    """How codes are to stand there; reads the database once in KEPT_SECONDS. Needs an open session."""
    global _known  # noqa: PLW0603
    known, now = _known, time.monotonic()
    if known is None or now - known[0] > KEPT_SECONDS:
        _known = known = now, read(_choice)
    return known[1]


def read(choice: SealPins) -> Policy:
    """What `choice` means for this database; needs an open session."""
    found = database.rows(FOUND)[0]
    if not sealed.has_keys():
        return Policy(own_in_clear=True, theirs_in_clear=True, limit=found["pin_limit"])
    is_shared = found["seals_pins"] is False
    return Policy(
        own_in_clear=choice is SealPins.NEVER or (choice is SealPins.AUTO and is_shared),
        theirs_in_clear=choice is not SealPins.ALWAYS,
        limit=found["pin_limit"],
    )


#: What `gateway migrate` has decided (NULL: nothing yet), and how long "pinCode" may be.
FOUND = """
SELECT (SELECT seal_pins FROM referans.installation) AS seals_pins, (
    SELECT a.atttypmod - 4 FROM pg_attribute AS a
    WHERE a.attrelid = 'product_orders'::regclass AND a.attname = 'pinCode' AND a.atttypmod > 4
) AS pin_limit
"""
