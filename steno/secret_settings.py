"""Reads secrets of the settings from files, so that they need not stand in the environment.

A setting `NAME` whose value is a secret is also read from the file that `NAME_FILE` names: what Docker, Kubernetes and systemd
mount for a process, and what no list of processes or inspection of a container shows. The file is read once, at start.
"""

import os
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"


class SecretUnreadable(Exception):
    """The file of a secret cannot be used; the message names the variable and the file, and never what it holds."""


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of a setting is masked, and may be given by a file."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


class SecretFiles(PydanticBaseSettingsSource):
    """The secrets of a settings class that stand in files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns the content of a secret's file, or None where none is named. Raises like a call."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(variable + SUFFIX)
        if path is None or not is_secret(field):
            return None, field_name, False
        if variable in os.environ:
            raise SecretUnreadable(f"{variable} and {variable}{SUFFIX} are both set: unset one of them")
        return _content(variable + SUFFIX, Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Returns the values by field.

        Raises:
            SecretUnreadable: a file is missing, empty or not text, or the secret stands in the environment as well.
        """
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def file_variables(known: dict[str, tuple[type[BaseSettings], str]]) -> set[str]:
    """Returns the variables that name the files of secrets, of all variables with their class and field."""
    return {variable + SUFFIX for variable, (owner, name) in known.items() if is_secret(owner.model_fields[name])}


def _content(variable: str, path: Path) -> str:
    try:
        content = path.read_bytes().decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SecretUnreadable(f"{variable}: the file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{variable}: the file {path} is not text in UTF-8") from None
    if not content:
        raise SecretUnreadable(f"{variable}: the file {path} is empty")
    return content
