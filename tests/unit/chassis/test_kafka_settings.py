"""Settings of the connection to Kafka that contradict each other are refused by their names."""

import os

import pytest

from steno.settings import KafkaSettings, SettingsError, read_group

_SASL = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "ingest", "SASL_PASSWORD": "hush"}
_OAUTH = {
    "SECURITY_PROTOCOL": "SASL_SSL",
    "SASL_MECHANISM": "OAUTHBEARER",
    "SASL_OAUTH_TOKEN_URL": "https://idp/token",
    "SASL_OAUTH_CLIENT_ID": "ingest",
    "SASL_OAUTH_CLIENT_SECRET": "hush",
}


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KAFKA_"):
            monkeypatch.delenv(name)


def _read(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> KafkaSettings:
    for name, value in values.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    return read_group(KafkaSettings)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**_SASL, "SASL_USERNAME": ""}, "KAFKA_SASL_USERNAME is missing, while KAFKA_SECURITY_PROTOCOL is SASL_SSL"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "ingest"}, "KAFKA_SASL_PASSWORD is missing"),
        ({"SASL_USERNAME": "ingest"}, "KAFKA_SASL_USERNAME is set, while KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"SSL_CAFILE": "ca.pem"}, "KAFKA_SSL_CAFILE is set, while KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEYFILE": "key.pem"}, "KAFKA_SSL_CERTFILE is missing"),
        (
            {**_OAUTH, "SASL_OAUTH_CLIENT_SECRET": ""},
            "KAFKA_SASL_OAUTH_CLIENT_SECRET is missing, .* is OAUTHBEARER",
        ),
        ({**_OAUTH, "SASL_PASSWORD": "hush"}, "KAFKA_SASL_PASSWORD is set, .* KAFKA_SASL_MECHANISM is OAUTHBEARER"),
        ({**_SASL, "SASL_OAUTH_SCOPE": "kafka"}, "KAFKA_SASL_OAUTH_SCOPE is set, .* KAFKA_SASL_MECHANISM is SCRAM-SHA-512"),
        ({**_OAUTH, "SASL_OAUTH_TOKEN_URL": "idp/token"}, "KAFKA_SASL_OAUTH_TOKEN_URL: "),
    ],
)
def test_a_contradiction_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], reason: str
) -> None:
    """Nobody runs on a connection that is less safe than they think, and no secret stands in the message."""
    with pytest.raises(SettingsError, match=reason) as refused:
        _read(monkeypatch, values)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "user"),
    [
        ({}, "an anonymous client"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CERTFILE": "a.pem"}, "the certificate a.pem"),
        (_SASL, "user ingest"),
        ({**_SASL, "SSL_CAFILE": "ca.pem", "SSL_CERTFILE": "a.pem"}, "user ingest"),
        (_OAUTH, "user ingest"),
    ],
)
def test_what_belongs_together_is_accepted(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], user: str) -> None:
    """And messages can say whom the brokers take this client for."""
    assert _read(monkeypatch, values).user == user
