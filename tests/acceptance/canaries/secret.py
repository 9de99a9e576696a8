"""The secrets, how each may be written, and the few places where one belongs."""

import base64
import hashlib
import html
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

#: What all codes of one family have in common; a number behind it tells where each was used.
CARD, DIGITS, SERIAL = "WXYZ-4821-KLMN", "492918465017", "SN77-3141-QRST"
#: Letters and digits of a code that are a find: more than half of it. Of one that is cut, as much is shown at most.
_FAMILIES = {"a code": CARD, "a code of digits": DIGITS, "a serial": SERIAL}

#: By name. A person's password comes here with the people who sign in.
SECRETS = {
    "a dealer code": "Dealer&Söhne-7731",
    "a dealer password": 'Hunter"two +&ü',
    "a password that was refused": "Wr0ng&Hunter-five",
    "a new dealer password": "Fresh+Hunter/six",
    "a callback token": "tok-Zq81mVxE0aRr5nLkW3yB",
    "a callback token in a wrong place": "tok-Yp72nWyF1bSs6oMlX4zC",
    "a callback secret": "whsec_" + base64.b64encode(b"canary-of-a-callback-secret").decode(),
    "a secret of an HMAC": "hmacCanary-Jh3kd9Qw7Lp2",
    "a user of basic": "basicUserCanary-4411",
    "a password of basic": "basicPassCanary-9Lm2Xz",
    "a password of the database": "dbCanary-77Kq2vWz",
    "a password of Redis": "redisCanary-Vb55Tn8e",
    "a key of Sentry": "5e17c0de5e17c0de5e17c0de5e17c0de",
    "a person's password": "Staple&Battery/seven",
    "a password of the server of mails": "smtpCanary-Kx41QeWb",
    "an encryption key": base64.urlsafe_b64encode(b"first-encryption-key-of-canaries").decode(),
    "a new encryption key": base64.urlsafe_b64encode(b"other-encryption-key-of-canaries").decode(),
}
#: What stands between the groups of a code.
SIGNS = ("", "-", " ", ".", "_", "/", "\u2013", "\u00a0")
_numbers = itertools.count(1001)


def card() -> str:
    """A code as on a gift card, of its own."""
    return f"{CARD}-{next(_numbers)}"


def digits() -> str:
    """A code of digits, of its own."""
    return f"{DIGITS}{next(_numbers)}"


def serial() -> str:
    """A serial of a code, of its own."""
    return f"{SERIAL}-{next(_numbers)}"


@dataclass(frozen=True)
class Canary:
    """One secret, or what all codes of a family begin with."""

    name: str
    text: str
    is_code: bool = False

    def found_in(self, text: str, lower: str) -> int:
        """Where it begins in a text, -1 if it is not there; `lower` is the text in small letters."""
        places = (place for needle in self.spellings if (place := lower.find(needle)) >= 0)
        encoded = (place for needle in self.encodings if (place := text.find(needle)) >= 0)
        return next(itertools.chain(places, encoded), -1)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """How it may be written, in small letters."""
        return tuple({each.lower() for each in self._spelled()})

    def _spelled(self) -> Iterator[str]:
        yield from (self.text, quote(self.text), quote(self.text, safe=""), quote_plus(self.text))
        yield from (json.dumps(self.text)[1:-1], html.escape(self.text), self.text.encode().hex())
        # In the `repr` of bytes.
        yield ascii(self.text.encode())[2:-1]
        if self.is_code:
            bare = self.text.replace("-", "")
            groups = [bare[start : start + 4] for start in range(0, len(bare), 4)]
            yield bare.encode().hex()
            # Two groups are a find: of a code that is cut, no more may be seen.
            yield from (sign.join(two) for sign in SIGNS for two in itertools.pairwise(groups))
        elif self.text.startswith("whsec_"):
            yield self.text.removeprefix("whsec_")

    @cached_property
    def encodings(self) -> tuple[str, ...]:
        """Base64 at each of its three alignments, without the characters that depend on the neighbours."""
        texts = {self.text, self.text.replace("-", "")} if self.is_code else {self.text}
        found = set()
        for text, shift in itertools.product(texts, range(3)):
            coded = base64.b64encode(b"\0" * shift + text.encode()).decode().rstrip("=")
            middle = coded[4 if shift else 0 : -2]
            found |= {middle, middle.translate(str.maketrans("+/", "-_"))}
        return tuple(found)


class PlainDigest(Canary):
    """The plain digests of a code, which tell it to whoever tries all that there are."""

    spellings = ()

    @cached_property
    def encodings(self) -> tuple[str, ...]:
        bare = self.text.replace("-", "")
        digests = [
            hashlib.new(algorithm, text.encode(), usedforsecurity=False).digest()
            for text, algorithm in itertools.product((self.text, bare), ("sha256", "sha1", "md5"))
        ]
        return tuple(
            written
            for each in digests
            for written in (each.hex(), base64.b64encode(each).decode().rstrip("="))
        )


def family() -> list[Canary]:
    """Every canary that is known beforehand."""
    codes = [Canary(name, text, is_code=True) for name, text in _FAMILIES.items()]
    return [*codes, *(Canary(name, text) for name, text in SECRETS.items())]


@dataclass(frozen=True, slots=True)
class Belongs:
    """What may be seen where. Both are regular expressions that must match a whole name."""

    canary: str
    place: str
    why: str


CODES = "a code|a code of digits|a serial"
#: All there is. A line here is a promise of the contract, not a way to make a test pass.
BELONGS = (
    Belongs(CODES, r"answer to (pins|all): .*", "a key with pins:read gets codes, and texts whole"),
    Belongs(CODES, r"gateway orders pin .*", "prints the codes of an order"),
    Belongs(
        CODES, r"gateway providers test .* --whole", "prints an answer as it is, where that is asked for"
    ),
    Belongs("the key .*", r"gateway keys create .*", "a key is printed once, when it is made"),
    Belongs("a made callback .*", r"gateway providers (add|rotate) .*", "printed once, when it is made"),
)


def allowance(canary: Canary, place: str) -> Belongs | None:
    """What allows it to be seen there, if anything does."""
    return next(
        (
            each
            for each in BELONGS
            if re.fullmatch(each.canary, canary.name) and re.fullmatch(each.place, place)
        ),
        None,
    )
