"""Settings come from the environment, once, and are right or refused."""

import socket
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from steno.settings import ServiceSettings, SettingsError, masked, read, variables


class IngestLike(ServiceSettings):
    """A service's settings, for these tests."""

    model_config = SettingsConfigDict(env_prefix="STENO_INGEST_")
    service: ClassVar[str] = "ingest"

    secret_key: SecretStr = Field(default=SecretStr(""), description="A secret.")
    attempts: int = Field(default=3, ge=1, description="A number.")


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("STENO_", "KAFKA_")):
            monkeypatch.delenv(name)


def test_shared_and_own_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group's variables mean the same in every service; a service's own carry its name."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:1")
    monkeypatch.setenv("STENO_TOPIC_PREFIX", "test.")
    monkeypatch.setenv("STENO_INGEST_ATTEMPTS", "7")
    settings = read(IngestLike)
    assert (settings.kafka.bootstrap_servers, settings.topics.prefix, settings.attempts) == ("broker:1", "test.", 7)


def test_a_misspelt_variable_is_refused_with_the_name_it_was_meant_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody runs for a week on a default because of a typing error."""
    monkeypatch.setenv("STENO_INGEST_ATEMPTS", "7")
    with pytest.raises(SettingsError, match="did you mean STENO_INGEST_ATTEMPTS"):
        read(IngestLike)


@pytest.mark.parametrize("name", ["STENO_TRANSCRIBER_MODEL", "STENO_UP_DATA", "STENO_CACHE", "STENO_BROKER_JAVA"])
def test_other_programs_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One environment can serve the whole suite."""
    monkeypatch.setenv(name, "x")
    assert read(IngestLike).attempts == 3


def test_what_kubernetes_puts_there_for_services_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service may be called as its pods are."""
    monkeypatch.setenv("STENO_INGEST_PORT", "tcp://10.0.0.1:8080")
    monkeypatch.setenv("STENO_INGEST_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("STENO_INGEST_PORT_8080_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("STENO_PORT", "tcp://10.0.0.2:80")
    assert read(IngestLike).attempts == 3


def test_a_service_that_took_a_settings_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the image says is overwritten then, and no default stands in for it."""
    monkeypatch.setenv("STENO_INGEST_HTTP_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(SettingsError, match=r"STENO_INGEST_HTTP_PORT .* Service steno-ingest-http, .*enableServiceLinks"):
        read(IngestLike)


def test_an_invalid_value_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to mend."""
    monkeypatch.setenv("STENO_INGEST_ATTEMPTS", "none")
    with pytest.raises(SettingsError, match="STENO_INGEST_ATTEMPTS"):
        read(IngestLike)


def test_an_invalid_value_of_a_group_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to mend, in the groups too."""
    monkeypatch.setenv("STENO_TOPIC_PARTITIONS", "0")
    with pytest.raises(SettingsError, match="STENO_TOPIC_PARTITIONS"):
        read(IngestLike)


def test_secrets_are_masked_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first log line may be shown to anyone."""
    monkeypatch.setenv("STENO_INGEST_SECRET_KEY", "hush")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "ingest")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush")
    assert "hush" not in str(masked(read(IngestLike)))


@pytest.mark.parametrize("name", ["STENO_INGEST_SECRET_KEY", "KAFKA_SASL_PASSWORD", "STENO_OBJECTS_CREDENTIALS"])
def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The file's content is the value, without the line end that editors put there; nothing else of it is lost."""
    file = tmp_path / "secret"
    file.write_text(" A=hush #1\r\n")
    if name.startswith("KAFKA_"):
        monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        monkeypatch.setenv("KAFKA_SASL_USERNAME", "ingest")
    monkeypatch.setenv(f"{name}_FILE", str(file))
    settings = read(IngestLike)
    read_values = [settings.secret_key, settings.kafka.sasl_password, settings.objects.credentials]
    assert [value.get_secret_value() for value in read_values if value] == [" A=hush #1"]
    assert "hush" not in str(masked(settings))


def test_only_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file for another setting is a misspelt name."""
    monkeypatch.setenv("STENO_INGEST_ATTEMPTS_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match="STENO_INGEST_ATTEMPTS_FILE is not a setting"):
        read(IngestLike)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read: No such file"), (b"\n", "is empty"), (b"\xff", "is not text in UTF-8")]
)
def test_a_secret_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, told: str
) -> None:
    """No service starts without its secret; the message has the variable and the file."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(file))
    with pytest.raises(SettingsError, match=f"KAFKA_SASL_PASSWORD_FILE: the file {file} {told}"):
        read(IngestLike)


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody rotates the one that does not count."""
    monkeypatch.setenv("STENO_INGEST_SECRET_KEY", "hush")
    monkeypatch.setenv("STENO_INGEST_SECRET_KEY_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match="STENO_INGEST_SECRET_KEY and STENO_INGEST_SECRET_KEY_FILE are both set"):
        read(IngestLike)


def test_options_of_the_store_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values may have any character but a line end; a line that is none is named by its number, not by what it holds."""
    monkeypatch.setenv("STENO_OBJECTS_CREDENTIALS", "# the bucket's\nAWS_ACCESS_KEY_ID=a\n\nAWS_SECRET_ACCESS_KEY=b=$c# d\n")
    assert read(IngestLike).objects.options == {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b=$c# d"}
    monkeypatch.setenv("STENO_OBJECTS_CREDENTIALS", "A=b\nhush")
    with pytest.raises(SettingsError, match=r"STENO_OBJECTS_CREDENTIALS: .*line 2 is not NAME=VALUE") as caught:
        read(IngestLike)
    assert "hush" not in str(caught.value)


def test_an_instance_may_be_named_by_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas that get the same environment differ by their host names."""
    monkeypatch.setenv("STENO_INGEST_INSTANCE", "hostname")
    assert read(IngestLike).instance == socket.gethostname()


def test_settings_do_not_change() -> None:
    """A settings object is a value."""
    with pytest.raises(ValueError, match="frozen"):
        setattr(read(IngestLike), "attempts", 4)  # noqa: B010 - the type checker refuses the plain form, rightly


def test_every_setting_has_a_description() -> None:
    """docs/settings.md says what each is for."""
    for variable, (owner, name) in variables(IngestLike).items():
        assert owner.model_fields[name].description, variable
