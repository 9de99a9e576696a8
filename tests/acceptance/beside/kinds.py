"""What happens to the orders of either side: what the panel does with them, and what people and code of the shop do."""

from dataclasses import dataclass
from enum import StrEnum


class Keeps(StrEnum):
    """Where the shop's code keeps the reference that it has sent an order under."""

    REFERANS = "provider_referans"
    #: As it did before that column existed.
    EXTERNAL = "externalOrderId"


class Does(StrEnum):
    """What the shop does with an order of its own, once it is sent."""

    NOTHING = "nothing"
    #: Its code writes a word of its own.
    WORD = "word"
    #: People, on their page; approvals are made many at once.
    APPROVE = "approve"
    REJECT = "reject"
    #: It is taken from the provider, to be fulfilled by a person.
    TAKE_OUT = "take out"
    #: Its own task asks the panel, and acts on what it hears.
    ASK = "ask"
    #: Its own task asked and failed, and says so whatever the gateway has written meanwhile.
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class Kind:
    """One story. `words` are those of the simulator."""

    name: str
    words: str
    keeps: Keeps = Keeps.REFERANS
    does: Does = Does.NOTHING
    #: Written by WORD.
    word: str = ""
    #: Seconds from the send until the reference is saved, and until the shop does what it does.
    saves_after_seconds: float = 0.0
    does_after_seconds: float = 0.3
    #: Seconds by which its "sentAt" is earlier than it was.
    is_older_by_seconds: float = 0.0


def of_the_shop(order_timeout_seconds: float) -> tuple[Kind, ...]:
    """Orders that the shop places and sends by itself."""
    return (
        Kind("called back", "after=1.5"),
        Kind("never called back", "poll+after=1"),
        Kind("fails", "after=1+fail"),
        Kind("fails, never called back", "poll+after=1+fail"),
        *(
            Kind(f"old reference, {words}", words, keeps=Keeps.EXTERNAL)
            for words in ("after=1.5", "poll+after=1")
        ),
        Kind("old reference, fails", "poll+after=1+fail", keeps=Keeps.EXTERNAL),
        *(
            Kind(f"says {word}", words, does=Does.WORD, word=word)
            for words, said in (
                ("poll+after=1", ("queued", "unknown", "forwarded", "manual_required")),
                ("after=2", ("PENDING", "Sent")),
            )
            for word in said
        ),
        Kind("says unknown, then fails", "after=2+fail", does=Does.WORD, word="unknown"),
        Kind("approved by hand", "after=4", does=Does.APPROVE),
        Kind("approved by hand, then fails", "after=4+fail", does=Does.APPROVE),
        Kind("rejected by hand, then delivered", "after=4", does=Does.REJECT),
        Kind("rejected by hand, then fails", "after=4+fail", does=Does.REJECT),
        Kind("taken out", "poll+after=3", does=Does.TAKE_OUT),
        Kind("taken out, called back", "after=4", does=Does.TAKE_OUT),
        Kind("never ends", "poll+never", is_older_by_seconds=order_timeout_seconds - 8),
        Kind("called back before its reference is saved", "after=0", saves_after_seconds=1.0),
        Kind("several codes", "after=1+codes=3"),
        Kind("asked for by the shop too", "poll+after=1", does=Does.ASK, does_after_seconds=1.5),
        Kind("overwritten", "after=1", does=Does.OVERWRITE),
        Kind("overwritten, never called back", "poll+after=1", does=Does.OVERWRITE),
        Kind("told twice", "after=1+twice"),
        Kind("taken back", "after=1+reverse=2"),
    )


#: Orders that the shop hands over: placed over the gateway's API, which chooses the provider and sends them.
HANDED_OVER: tuple[Kind, ...] = (
    Kind("called back", "after=1.5"),
    Kind("never called back", "poll+after=1"),
    Kind("fails", "after=1+fail"),
    Kind("fails, never called back", "poll+after=1+fail"),
    Kind("refused", "refuse"),
    Kind("the answer to the send is lost", "cutafter+after=1"),
    Kind("the send is lost", "500+after=1"),
    Kind("several codes", "after=1+codes=2"),
    Kind("told twice", "after=1+twice"),
)
