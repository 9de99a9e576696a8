"""PINs, derived from the reference so that a test knows them beforehand."""

import hashlib

#: Without letters that look like a digit.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"


def pin_for(referans: str, salt: str = "") -> str:
    """The PIN of a reference, like `ABCD-1234-EFGH-5678`; another salt gives another PIN."""
    digest = hashlib.sha256(f"{referans}/{salt}".encode()).digest()
    return "-".join(
        "".join(alphabet[byte % len(alphabet)] for byte in digest[start : start + 4])
        for start, alphabet in ((0, LETTERS), (4, DIGITS), (8, LETTERS), (12, DIGITS))
    )


def digits_for(referans: str) -> str:
    """A PIN of 16 digits, for orders whose provider writes it as a number."""
    number = int.from_bytes(hashlib.sha256(f"{referans}/digits".encode()).digest())
    return str(10**15 + number % (9 * 10**15))


def masked(pin: str) -> str:
    """The first two characters of a PIN, for output."""
    return f"{pin[:2]}…" if pin.strip(" -") else "no PIN"
