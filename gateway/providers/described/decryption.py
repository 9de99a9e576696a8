"""Codes that a provider sends encrypted. Pure."""

import base64

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.providers.described.schema import Decryption
from gateway.providers.described.templates import BadValue, Values


def decrypt(described: Decryption, text: str, values: Values) -> str:
    """The code in `text`. Raises templates.BadValue where the key does not fit."""
    try:
        sealed = text.encode()
        for _ in range(described.base64):
            sealed = base64.b64decode(sealed, validate=True)
        key, iv = described.key.fill(values).encode(), described.iv.fill(values).encode()
        reader, unpadder = (
            Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor(),
            padding.PKCS7(128).unpadder(),
        )
        padded = reader.update(sealed) + reader.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        told = "decrypt: the code cannot be opened; are the provider's credentials for it right?"
        raise BadValue(told) from None
