"""New credentials of a provider: what it takes, and what becomes of those that it had."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.callbacks.verifiers import verifier_of
from gateway.providers import kinds
from gateway.providers.base import Kind
from gateway.said import Said
from models.provider import CALLBACK_SECRET, Provider


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to become of the credentials of a provider."""

    #: New values by name.
    given: Mapping[str, str]
    #: The callback secret among them that was made here, which is shown once.
    made: str | None
    #: Whether the former callback secrets end.
    drops_old: bool

    def applied(self, known: Provider) -> Provider:
        """`known` with the new values; a new callback secret stands in front of the former ones, or in their place."""
        new = self.given.get(CALLBACK_SECRET, "").split()
        kept = known.secrets()
        if self.drops_old:
            kept = [] if new else kept[:1]
        secrets = " ".join(dict.fromkeys([*new, *kept]))
        merged = {**known.credentials, **self.given, **({CALLBACK_SECRET: secrets} if secrets else {})}
        return replace(known, credentials=merged)


def takes(account: Provider, protocol: Kind | None) -> tuple[str, ...]:
    """The names of the credentials that a provider may have, its callback secret last."""
    verifier = verifier_of(account)
    own = (*protocol.CREDENTIALS, *protocol.OPTIONAL_CREDENTIALS) if protocol else ()
    secret = (CALLBACK_SECRET,) if verifier.has_secret else ()
    return tuple(dict.fromkeys((*own, *verifier.credentials, *secret)))


def checked(account: Provider, given: Mapping[str, str], *, makes_secret: bool) -> Rotation:
    """What a person gives, for an account as it is. Without credentials (they are lost) all are wanted.

    Raises ValueError, which says what is wrong.
    """
    protocol, verifier = kinds.find(account.adapter), verifier_of(account)
    if protocol is None:
        raise ValueError(
            Said("the protocol '{protocol}' is not known to this version", protocol=account.adapter)
        )
    makes_secret = verifier.has_secret and (
        makes_secret or (not account.credentials and CALLBACK_SECRET not in given)
    )
    if makes_secret and CALLBACK_SECRET in given:
        raise ValueError(Said("give a {name}, or have one made, not both", name=CALLBACK_SECRET))
    if not given and not makes_secret:
        raise ValueError(Said("no credential was given, so nothing was changed"))
    needed = (*protocol.CREDENTIALS, *verifier.credentials) if not account.credentials else ()
    if missing := [name for name in needed if name not in given]:
        raise ValueError(
            Said(
                "those that were stored cannot be read, so all are needed; missing: {names}",
                names=", ".join(missing),
            )
        )
    verifier.check_credentials(given)
    made = verifier.new_secret() if makes_secret else None
    return Rotation({**given, **({CALLBACK_SECRET: made} if made else {})}, made, drops_old=False)
