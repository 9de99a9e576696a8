"""Sealing of PINs, credentials and raw callbacks at rest, with the keys of `ENCRYPTION_KEYS`.

Fernet has no associated data, so what a value belongs to is sealed in with it: a ciphertext that was moved to
another row does not open there.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.said import Said

#: Marks a sealed value; anything else is read as it stands (stored before sealing was turned on).
PREFIX = "sealed:"


class Unsealable(Exception):
    """A sealed value does not open. The fault is the value's own: it was moved from another row, or damaged."""

    #: What an operator can do about it.
    cure = Said("restore this row from a backup, and find out what has changed it")

    def __init__(self, said: Said) -> None:
        super().__init__(said)


class NoKeyOpens(Unsealable):
    """No key of ENCRYPTION_KEYS opens a sealed value: it was sealed under another key, or our keys are wrong."""

    cure = Said("set ENCRYPTION_KEYS to the keys that sealed it")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is in a sealed value, whatever it belongs to."""

    owner: str
    text: str = field(repr=False)
    #: Whether it is sealed under the first key.
    is_current: bool


def is_sealed(value: str) -> bool:
    """Whether a stored value is sealed; else it stands in clear."""
    return value.startswith(PREFIX)


class Sealer:
    """Seals under the first key, opens under any. Without keys it passes values through."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = [key.encode() for key in keys]
        self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
        self._first = Fernet(keys[0]) if keys else None

    @property
    def has_keys(self) -> bool:
        """Whether it seals at all."""
        return self._fernet is not None

    def seal(self, text: str, belongs_to: str) -> str:
        """`text`, readable only as something that belongs to `belongs_to`."""
        if self._fernet is None:
            return text
        return PREFIX + self._fernet.encrypt(json.dumps([belongs_to, text]).encode()).decode()

    def unseal(self, value: str, *belongs_to: str) -> str:
        """The text of a sealed value that belongs to any of `belongs_to`. Raises NoKeyOpens, Unsealable."""
        if not is_sealed(value):
            return value
        owner, text = self._open(value)
        if owner not in belongs_to:
            raise Unsealable(Said("a sealed value was moved from another row"))
        return text

    def look_into(self, value: str) -> Opened:
        """What is in a sealed value; whose it is, its reader must compare. Raises NoKeyOpens, Unsealable."""
        owner, text = self._open(value)
        return Opened(owner, text, self._is_current(value))

    def _is_current(self, value: str) -> bool:
        try:
            return self._first is not None and bool(self._first.decrypt(value.removeprefix(PREFIX)))
        except InvalidToken:
            return False

    def fingerprint(self) -> str | None:
        """By what the first key is known without telling anything of it; None without keys."""
        return (
            hmac.new(self._keys[0], b"fingerprint", hashlib.sha256).hexdigest()[:16] if self._keys else None
        )

    def opens(self, value: str) -> bool:
        """Whether `value` is sealed and a key opens it, whatever it belongs to."""
        try:
            return value.startswith(PREFIX) and bool(self._open(value))
        except Unsealable:
            return False

    def lacks_key(self, value: str) -> bool:
        """Whether `value` is sealed, whole, and no key opens it: the fault is not the value's."""
        try:
            return value.startswith(PREFIX) and not self._open(value)
        except Unsealable as error:
            return isinstance(error, NoKeyOpens)

    def _open(self, value: str) -> tuple[str, str]:
        if not _is_token(value.removeprefix(PREFIX)):
            raise Unsealable(Said("a sealed value is damaged: no key can open it"))
        if self._fernet is None:
            raise NoKeyOpens(Said("a sealed value was found, but ENCRYPTION_KEYS is not set"))
        try:
            owner, text = json.loads(self._fernet.decrypt(value.removeprefix(PREFIX)))
        except InvalidToken:
            raise NoKeyOpens(Said("no key of ENCRYPTION_KEYS opens a sealed value")) from None
        return owner, text

    def digests(self, pin: str, *, with_plain: bool = False) -> list[str]:
        """By what two PINs are compared without opening them: one digest under each key. The first is stored with it.

        Without keys it is the plain one, from which a short PIN can be found by trial. `with_plain` adds it for a PIN
        that may have been stored in clear, before there were keys: only then may it go to the database.
        """
        keyed = [hmac.digest(key, b"pin:" + pin.encode(), "sha256").hex() for key in self._keys]
        return [*keyed, hashlib.sha256(pin.encode()).hexdigest()] if with_plain or not keyed else keyed


def _is_token(text: str) -> bool:
    """Whether it has the form of a Fernet token: version 0x80, 24 bytes of time and IV, blocks of 16, 32 of HMAC."""
    try:
        token = base64.urlsafe_b64decode(text)
    except ValueError:
        return False
    return token[:1] == b"\x80" and len(token) >= 73 and len(token) % 16 == 9


_sealer = Sealer()


def bind(keys: Iterable[str]) -> None:
    """Use these keys from now on; called by `binding.bind`."""
    global _sealer  # noqa: PLW0603
    _sealer = Sealer(list(keys))


def seal(text: str, belongs_to: str) -> str:
    """See `Sealer.seal`."""
    return _sealer.seal(text, belongs_to)


def unseal(value: str, *belongs_to: str) -> str:
    """See `Sealer.unseal`."""
    return _sealer.unseal(value, *belongs_to)


def look_into(value: str) -> Opened:
    """See `Sealer.look_into`."""
    return _sealer.look_into(value)


def fingerprint() -> str | None:
    """See `Sealer.fingerprint`."""
    return _sealer.fingerprint()


def opens(value: str) -> bool:
    """See `Sealer.opens`."""
    return _sealer.opens(value)


def lacks_key(value: str) -> bool:
    """See `Sealer.lacks_key`."""
    return _sealer.lacks_key(value)


def has_keys() -> bool:
    """Whether values are sealed at all."""
    return _sealer.has_keys


def digests(pin: str, *, with_plain: bool = False) -> list[str]:
    """See `Sealer.digests`."""
    return _sealer.digests(pin, with_plain=with_plain)
