"""Secrets at rest."""

import pytest
from pydantic import SecretStr

from steno.crypto import SecretBox, UndecryptableSecret, make_secret_key


def test_a_secret_comes_back() -> None:
    """What was encrypted is decrypted by the same key."""
    box = SecretBox(SecretStr(make_secret_key()))
    assert box.decrypt(box.encrypt(b"whsec")) == b"whsec"


def test_an_old_key_still_decrypts_after_rotation() -> None:
    """NEW,OLD reads what OLD wrote."""
    old, new = make_secret_key(), make_secret_key()
    token = SecretBox(SecretStr(old)).encrypt(b"whsec")
    assert SecretBox(SecretStr(f"{new},{old}")).decrypt(token) == b"whsec"


def test_a_foreign_key_is_told() -> None:
    """The error says which setting is wrong."""
    token = SecretBox(SecretStr(make_secret_key())).encrypt(b"whsec")
    with pytest.raises(UndecryptableSecret, match="SECRET_KEY"):
        SecretBox(SecretStr(make_secret_key())).decrypt(token)
