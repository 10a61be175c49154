"""`settings.md`: every environment variable, from the settings classes."""

from collections.abc import Iterable
from enum import Enum
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pages.markdown import NOTE, code, table
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from steno_enricher.settings import EnricherSettings
from steno_ingest.settings import IngestSettings
from steno_notifier.settings import NotifierSettings
from steno_transcriber.settings import TranscriberSettings

from steno.secret_settings import is_secret
from steno.settings import (
    KafkaSettings,
    LinkSettings,
    ObjectSettings,
    SchemaSettings,
    ServiceSettings,
    TelemetrySettings,
    TopicSettings,
    variables,
)

_GROUPS = (KafkaSettings, TopicSettings, SchemaSettings, ObjectSettings, LinkSettings, TelemetrySettings)
_SERVICES: tuple[type[ServiceSettings], ...] = (IngestSettings, TranscriberSettings, EnricherSettings, NotifierSettings)
_BOUNDS: dict[type, str] = {Ge: "at least", Gt: "more than", Le: "at most", Lt: "less than"}

_COMMAND_LINE = {
    "KAFKA_BOOTSTRAP_SERVERS": (
        "unset",
        "`steno up` uses this cluster; without it, it starts one, which commands find by --data.",
    ),
    "STENO_UP_DATA": ("`steno-data`", "Data folder of the suite, as `--data`."),
    "STENO_UP_URL": (
        "unset",
        "Where ingest is, for `steno submit` and the like; without it, the data folder's suite is asked.",
    ),
    "STENO_UP_API_KEY": ("unset", "The API key that goes with it."),
    "STENO_CACHE": ("`~/.cache/steno`", "Where fetched files are kept: Kafka's jars, speech models."),
    "STENO_BROKER_JAVA": (
        "the bundled one",
        "Java that runs the local Kafka: a program, a Java home, or `system` for the machine's own (17 or newer).",
    ),
}

_INTRODUCTION = """# Settings

A service reads its settings from the environment once, at start, and logs them with secrets masked. A value that is not valid,
or a name beginning with `STENO_` that no setting has, stops it with a message that says which.

A setting whose value is a secret may stand in a file instead, whose name `NAME_FILE` gives: `STENO_INGEST_SECRET_KEY_FILE`,
`KAFKA_SASL_PASSWORD_FILE`. Line ends at the end of the file do not count. It is read once, at start; giving both is an error.

"""


def page() -> str:
    """The whole page."""
    parts = [NOTE, _INTRODUCTION, "## Of every service\n\n"]
    parts += [f"### {(group.__doc__ or '').rstrip('.')}\n\n{_table(group, group.model_fields)}" for group in _GROUPS]
    own = {name: field for name, field in ServiceSettings.model_fields.items() if not _is_group(field)}
    parts.append("### The process\n\nEach service has these under its own name: `STENO_INGEST_HTTP_PORT`, and so on.\n\n")
    parts.append(_table(ServiceSettings, own, prefix="STENO_<SERVICE>_"))
    parts.append("## Of one service\n\n")
    for service in _SERVICES:
        own = {name: field for name, field in service.model_fields.items() if name not in ServiceSettings.model_fields}
        names = [name for name, field in own.items() if not _is_group(field)]
        parts.append(f"### {service.service}\n\n{_table(service, names)}")
        groups = [group for field in own.values() if (group := _group_of(field)) is not None]
        parts += [f"#### {(group.__doc__ or '').rstrip('.')}\n\n{_table(group, group.model_fields)}" for group in groups]
    parts.append("## Of the command line\n\n")
    parts.append(table(["Variable", "Default", "What"], ([code(name), *rest] for name, rest in _COMMAND_LINE.items())))
    return "".join(parts)


def _is_group(field: FieldInfo) -> bool:
    return _group_of(field) is not None


def _group_of(field: FieldInfo) -> type[BaseSettings] | None:
    """The settings class of a field that holds a group of settings."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseSettings) else None


def _table(owner: type[BaseSettings], names: Iterable[str], *, prefix: str | None = None) -> str:
    by_field = {name: variable for variable, (_, name) in variables(owner).items()}
    rows = []
    for name in names:
        field = owner.model_fields[name]
        variable = by_field[name] if prefix is None else prefix + name.upper()
        rows.append([code(variable), _default(field), _kind(field), field.description or ""])
    return table(["Variable", "Default", "Value", "What"], rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: Any = field.default
    if value is None or value in ((), ""):
        return "unset"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return code(",".join(map(str, value)) if isinstance(value, tuple) else str(value))


def _kind(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType] or [field.annotation]
    if get_origin(field.annotation) is Literal:
        return ", ".join(code(str(choice)) for choice in kinds)
    if isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return ", ".join(code(str(choice.value)) for choice in kinds[0])
    if is_secret(field):
        return "secret"
    words = {int: "whole number", float: "number", bool: "`true` or `false`"}
    bounds = [f"{_BOUNDS[type(entry)]} {_bound(entry)}" for entry in field.metadata if type(entry) in _BOUNDS]
    return ", ".join([words.get(kinds[0], "text"), *bounds])


def _bound(entry: Ge | Gt | Le | Lt) -> object:
    return next(getattr(entry, name) for name in entry.__slots__)
