"""Settings: read from the environment once at start, frozen, printed with secrets masked.

Every service has one settings object that extends `ServiceSettings`; what all services share is in groups of its own, so that
a name means the same everywhere. Secrets may stand in files instead (`steno.secret_settings`). `docs/settings.md` is made from
the fields' descriptions. A misspelt `STENO_…` name is an error at start, not a silent default; what Kubernetes puts there for
Services (`steno.service_links`) is no setting.
"""

import os
import socket
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from steno.http.addresses import Network, parse_networks
from steno.secret_settings import SecretFiles, SecretUnreadable, file_variables
from steno.service_links import service_links

S = TypeVar("S", bound="ServiceSettings")
G = TypeVar("G", bound="SettingsGroup")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _networks(value: object) -> object:
    return parse_networks(value) if isinstance(value, str) else value


BY_COMMAS = BeforeValidator(_split)
"""The type of a setting with several values, separated by commas; use it with `NoDecode`."""

Networks = Annotated[
    tuple[Network, ...], NoDecode, BeforeValidator(_networks), PlainSerializer(lambda networks: list(map(str, networks)))
]
"""Networks in CIDR notation, separated by commas."""


def _instance(value: str) -> str:
    return socket.gethostname() if value == "hostname" else value


def _assignments(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        assignments(secret.get_secret_value())
    return secret


_ELSEWHERE = ("STENO_CACHE", "STENO_CA_FILE", "STENO_BROKER_", "STENO_UP_")
"""The prefixes of variables of the command line and the local broker."""

SERVICES = ("ingest", "transcriber", "enricher", "notifier")


class SettingsError(Exception):
    """The environment has invalid settings; the message names each variable and its fault."""


class SettingsGroup(BaseSettings):
    """A group of settings with a common prefix in the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and the files of secrets that it names."""
        return init_settings, SecretFiles(settings_cls), env_settings


class KafkaSettings(SettingsGroup):
    """The connection to Kafka."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Bootstrap brokers, host:port, separated by commas.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Security protocol of the brokers."
    )
    ssl_cafile: str | None = Field(
        default=None,
        description="PEM file of the CAs that sign the brokers' certificates; unset, the CAs that the system trusts. This file "
        "and the next two are read again when they change.",
    )
    ssl_certfile: str | None = Field(
        default=None,
        description="PEM file of the client certificate and its chain, for brokers that ask for one (mutual TLS).",
    )
    ssl_keyfile: str | None = Field(
        default=None, description="PEM file of the client certificate's key; unset, the key is in the certificate's file."
    )
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of that key, if it has one.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="SCRAM-SHA-512", description="SASL mechanism, for the SASL protocols."
    )
    sasl_username: str | None = Field(default=None, description="User name, for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(default=None, description="Password, for PLAIN and SCRAM.")
    sasl_oauth_token_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^?#@/]+(/[^?#]*)?$",
        description="Token endpoint of the identity provider, for OAUTHBEARER (OAuth 2, client credentials). Its certificate "
        "may be of `KAFKA_SSL_CAFILE` too.",
    )
    sasl_oauth_client_id: str | None = Field(default=None, description="Client id, for OAUTHBEARER.")
    sasl_oauth_client_secret: SecretStr | None = Field(default=None, description="Client secret, for OAUTHBEARER.")
    sasl_oauth_scope: str | None = Field(default=None, description="Scope to ask for, for OAUTHBEARER.")

    @property
    def encrypted(self) -> bool:
        """Whether the connections use TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def authenticated(self) -> bool:
        """Whether the connections use SASL."""
        return self.security_protocol.startswith("SASL")

    @property
    def user(self) -> str:
        """Whom the brokers know this client as, for messages."""
        if not self.authenticated:
            return f"the certificate {self.ssl_certfile}" if self.ssl_certfile else "an anonymous client"
        return f"user {self.sasl_oauth_client_id if self.sasl_mechanism == 'OAUTHBEARER' else self.sasl_username}"

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        """Refuses settings that contradict each other, so that nobody takes a connection for safer than it is."""
        by_token = self.authenticated and self.sasl_mechanism == "OAUTHBEARER"
        by_password = self.authenticated and not by_token
        own_certificate = self.encrypted and bool(self.ssl_certfile or self.ssl_keyfile or self.ssl_key_password)
        # The settings, whether they are used, and whether they are needed then.
        table = [
            (("sasl_username", "sasl_password"), by_password, True),
            (("sasl_oauth_token_url", "sasl_oauth_client_id", "sasl_oauth_client_secret"), by_token, True),
            (("sasl_oauth_scope",), by_token, False),
            (("ssl_certfile",), own_certificate, True),
            (("ssl_cafile", "ssl_keyfile", "ssl_key_password"), self.encrypted, False),
        ]
        protocol = f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}"
        if self.authenticated:
            protocol += f" and KAFKA_SASL_MECHANISM is {self.sasl_mechanism}"
        problems = []
        for names, used, needed in table:
            for name in names:
                if used and needed and not getattr(self, name):
                    problems.append(f"KAFKA_{name.upper()} is missing, while {protocol}")
                elif not used and getattr(self, name):
                    problems.append(f"KAFKA_{name.upper()} is set, while {protocol}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class TopicSettings(SettingsGroup):
    """Names and creation of topics."""

    model_config = SettingsConfigDict(env_prefix="STENO_TOPIC_")

    prefix: str = Field(default="steno.", description="Prefix of all topic and consumer group names.")
    partitions: int = Field(default=12, ge=1, description="Partitions of each topic keyed by call; it cannot be changed later.")
    replication_factor: int = Field(default=-1, ge=-1, description="Replicas of each topic; -1 is the cluster's default.")


class SchemaSettings(SettingsGroup):
    """The schema registry."""

    model_config = SettingsConfigDict(env_prefix="STENO_SCHEMA_")

    registry_url: SecretStr | None = Field(
        default=None,
        description="A registry with the Confluent API, with user and password in the URL; unset, the shipped ids are used.",
    )


class TelemetrySettings(SettingsGroup):
    """Logs and traces."""

    model_config = SettingsConfigDict(env_prefix="STENO_")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level that is logged."
    )
    log_format: Literal["json", "console"] = Field(default="json", description="json for programs, console for people.")
    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector (OTLP over HTTP, e.g. http://host:4318); unset, no spans are sent.",
    )


class ObjectSettings(SettingsGroup):
    """The store of recordings and result documents."""

    model_config = SettingsConfigDict(env_prefix="STENO_OBJECTS_")

    url: str = Field(
        default="file:///var/lib/steno/objects",
        description="The object store: file:///folder, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix.",
    )
    credentials: Annotated[SecretStr | None, AfterValidator(_assignments)] = Field(
        default=None,
        description="Credentials and options of a cloud store, `NAME=VALUE` per line (`AWS_ACCESS_KEY_ID=…`), in place of "
        "those variables of the environment.",
    )

    @property
    def options(self) -> dict[str, str]:
        """The credentials and options, by name."""
        return {} if self.credentials is None else assignments(self.credentials.get_secret_value())


class LinkSettings(SettingsGroup):
    """Links by which a service outside reads single recordings of a local object store"""

    model_config = SettingsConfigDict(env_prefix="STENO_LINKS_")

    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^?#]+$",
        description="Where ingest is reached from outside, https://HOST, for an engine that fetches recordings itself (azure) "
        "from a local folder; cloud stores need none.",
    )
    secret_file: Path | None = Field(
        default=None,
        description="File of the secrets that sign such links, each of 32 characters or more on a line of its own; the first "
        "signs, all are accepted. Ingest and the transcriber have the same. Unset, ingest answers no link.",
    )


class ServiceSettings(SettingsGroup):
    """The settings of every service. Each service extends them, with its own `env_prefix` (`STENO_INGEST_`)."""

    service: ClassVar[str]

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    schemas: SchemaSettings = Field(default_factory=SchemaSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    objects: ObjectSettings = Field(default_factory=ObjectSettings)
    links: LinkSettings = Field(default_factory=LinkSettings)

    http_host: str = Field(default="127.0.0.1", description="Address of the HTTP server.")
    http_port: int = Field(default=0, ge=0, le=65535, description="Port of the HTTP server; 0 is a free one.")
    admin_host: str = Field(default="127.0.0.1", description="Address of the admin port.")
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Separate port for metrics, `/docs`, `/openapi.json` and the details of health, which the HTTP port then "
        "no longer serves. 0 takes a free one; unset, there is none.",
    )
    tls_certificate_file: Path | None = Field(
        default=None,
        description="PEM file of the server certificate and its chain. Setting it turns on TLS, 1.2 or newer, on all ports. "
        "Read again when it changes.",
    )
    tls_key_file: Path | None = Field(
        default=None,
        description="PEM file of the certificate's private key, unencrypted; unset, the key is in the certificate's file.",
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of CAs: clients of the HTTP port must present a certificate of one of them, besides their key.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Networks of reverse proxies, CIDR separated by commas: their `X-Forwarded-For` and `X-Forwarded-Proto` "
        "are trusted, and their own connections are not limited by address.",
    )
    max_connections: int = Field(
        default=4000,
        ge=16,
        description="Maximum number of open connections. At the limit, the oldest one without a key is closed for a new one. "
        "Fewer if the limit of open files is lower.",
    )
    max_connections_per_address: int = Field(
        default=500,
        ge=1,
        description="Maximum number of connections without a key per address (IPv6: per /64); above it, the oldest is closed.",
    )
    head_seconds: float = Field(
        default=10,
        gt=0,
        description="Timeout of a TLS handshake, of a request's headers and of an upgrade to a WebSocket, each.",
    )
    min_bytes_per_second: float = Field(
        default=1000,
        gt=0,
        description="Lowest average rate of sending a body and of reading a response, after a grace of 20 s.",
    )
    keep_alive_seconds: float = Field(default=20, gt=0, description="How long a connection may be idle between two requests.")
    instance: Annotated[str, AfterValidator(_instance)] = Field(
        default="0",
        description="Name of this process among the replicas of its service (a pod ordinal), for Kafka's static membership. "
        "`hostname` takes the name of the machine or container.",
    )
    drain_seconds: float = Field(default=30, gt=0, description="How long after SIGTERM work in progress may take to finish.")


def read(settings_type: type[S]) -> S:
    """Reads the settings of a service from the environment.

    Raises:
        SettingsError: a value is invalid, the file of a secret cannot be used, or a `STENO_` variable is not known (with the
            name it may have been meant for).
    """
    own = variables(settings_type)
    known = {*own, *file_variables(own)}
    links = service_links(os.environ)
    for name in known.intersection(links):
        # It is not ignored: it has replaced the value in the image, and the default would be a third value.
        raise SettingsError(
            f"{name} holds what Kubernetes puts there for the Service {links[name]}, in place of the setting: give the "
            "container this setting, set enableServiceLinks: false for the pod, or call the Service otherwise"
        )
    settings = read_group(settings_type)
    foreign = tuple(f"STENO_{service.upper()}_" for service in SERVICES if service != settings_type.service)
    for name in os.environ:
        if name in known or name in links:
            continue
        if name.startswith("STENO_") and not name.startswith((*foreign, *_ELSEWHERE)):
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(f"{name} is not a setting of {settings_type.service}{hint}")
    return settings


def read_group(settings_type: type[G]) -> G:
    """Reads a group of settings from the environment, whatever else is there.

    Raises:
        SettingsError: a value is invalid, or the file of a secret cannot be used.
    """
    try:
        return settings_type()
    except ValidationError as error:
        raise SettingsError(_explain(settings_type, error)) from error
    except SecretUnreadable as error:
        raise SettingsError(f"settings are not valid: {error}") from error


def variables(settings_type: type[BaseSettings]) -> dict[str, tuple[type[BaseSettings], str]]:
    """Returns the environment variable of every setting, with its class and field."""
    found: dict[str, tuple[type[BaseSettings], str]] = {}
    prefix = settings_type.model_config.get("env_prefix", "")
    for name, field in settings_type.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
            found.update(variables(field.annotation))
        else:
            found[f"{prefix}{name}".upper()] = (settings_type, name)
    return found


def assignments(text: str) -> dict[str, str]:
    """Parses lines of `NAME=VALUE`; empty lines and those that begin with `#` are comments.

    Raises:
        ValueError: a line is none; its number is given, and not what it holds.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not equals or not name.strip():
            raise ValueError(f"line {number} is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def masked(settings: BaseSettings) -> dict[str, Any]:
    """Returns the settings in effect for the log, with secrets as asterisks."""
    return settings.model_dump(mode="json")


def _explain(settings_type: type[BaseSettings], error: ValidationError) -> str:
    by_class = {entry: variable for variable, entry in variables(settings_type).items()}
    lines = []
    for problem in error.errors():
        field = str(problem["loc"][-1]) if problem["loc"] else ""
        owners = [variable for (owner, name), variable in by_class.items() if name == field and owner.__name__ == error.title]
        # What concerns several settings names them itself.
        where = f"{owners[0] if owners else field}: " if field else ""
        lines.append(f"{where}{problem['msg'].removeprefix('Value error, ')}")
    return "settings are not valid: " + "; ".join(lines)
