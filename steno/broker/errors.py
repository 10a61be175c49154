"""The errors of a broker on this machine. Pure.

```
StenoError
└── BrokerError            show the message to the person at the keyboard; it says what to do
    ├── JavaNotFound       install the bundled runtime, or name a Java of 17 or newer
    ├── JarsUnavailable    a jar could not be fetched, or is not the one that was pinned
    ├── DataFolderInUse    another broker runs on this folder
    └── BrokerFailed       the process ended, or was not ready in time; the message ends with its log
```
"""

from typing import ClassVar

from steno.errors import StenoError


class BrokerError(StenoError):
    """The broker cannot run; the message says why and what to do."""

    error_class: ClassVar[str] = "broker"


class JavaNotFound(BrokerError):
    """There is no Java that can run Kafka."""

    error_class = "broker_java"


class JarsUnavailable(BrokerError):
    """One of Kafka's jars could not be fetched, or its content is not what was pinned."""

    error_class = "broker_jars"


class DataFolderInUse(BrokerError):
    """Another broker runs on this data folder."""

    error_class = "broker_data_in_use"


class BrokerFailed(BrokerError):
    """The broker ended, or was not ready in time."""

    error_class = "broker_failed"
