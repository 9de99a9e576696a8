"""Codes that a provider sends encrypted."""

import base64
from collections import defaultdict

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.described.decryption import decrypt
from gateway.providers.described.schema import Decryption
from gateway.providers.described.templates import BadValue

KEY, IV = "k" * 32, "i" * 16
TWICE = Decryption.model_validate({"key": "{credentials.key}", "iv": "{credentials.iv}", "base64": 2})
VALUES = {"credentials.key": KEY, "credentials.iv": IV}


def sealed(text: bytes, key: str = KEY) -> str:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(IV.encode())).encryptor()
    data = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(base64.b64encode(data)).decode()


@given(st.text())
def test_what_was_sealed_is_opened(text: str) -> None:
    assert (
        decrypt(TWICE, sealed(text.encode(errors="surrogatepass")), VALUES) == text
        if text.isprintable()
        else True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WlZ...twice-base64...",
        "QUJD",
        base64.b64encode(b"QUJD").decode(),
        sealed(b"A1", "x" * 32),
        sealed(b"\xff\xfe"),
        "ü",
    ],
)
def test_what_cannot_be_opened(text: str) -> None:
    with pytest.raises(BadValue, match="the code cannot be opened"):
        decrypt(TWICE, text, VALUES)


@pytest.mark.parametrize("credentials", [{}, {"key": "short", "iv": IV}, {"key": KEY, "iv": "short"}])
def test_secrets_that_do_not_fit(credentials: dict[str, str]) -> None:
    values = defaultdict(str, {f"credentials.{name}": value for name, value in credentials.items()})
    with pytest.raises(BadValue, match="are the provider's credentials for it right"):
        decrypt(TWICE, sealed(b"A1"), values)
