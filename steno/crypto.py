"""Encrypts secrets that are stored or put on topics, with the suite's secret key (Fernet: AES-128-CBC with HMAC-SHA256)."""

from typing import Annotated

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import AfterValidator, SecretStr

from steno.errors import Permanent


class UndecryptableSecret(Permanent):
    """A secret was encrypted with a key that this service does not have."""

    error_class = "undecryptable_secret"


class SecretBox:
    """Encrypts with the first key and decrypts with any, so that keys can be rotated: `NEW,OLD`."""

    def __init__(self, keys: SecretStr) -> None:
        """Raises `ValueError` where a key is not 32 bytes in url-safe base64."""
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.get_secret_value().split(",")])

    def encrypt(self, secret: bytes) -> bytes:
        """The secret as a Fernet token."""
        return self._fernet.encrypt(secret)

    def decrypt(self, token: bytes) -> bytes:
        """The secret of a token.

        Raises:
            UndecryptableSecret: none of the keys made it.
        """
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise UndecryptableSecret("a webhook secret was encrypted with another key; set the suite's SECRET_KEY") from None


def _usable(keys: SecretStr) -> SecretStr:
    try:
        SecretBox(keys)
    except ValueError:
        raise ValueError("must be 32 random bytes in url-safe base64 (several by commas, the newest first)") from None
    return keys


SecretKeys = Annotated[SecretStr, AfterValidator(_usable)]
"""The type of a setting whose value `SecretBox` takes."""


def make_secret_key() -> str:
    """A new key for `SecretBox`."""
    return Fernet.generate_key().decode("ascii")
