"""`metrics.md`: what `/metrics` of each service tells, from the modules that declare the metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from pages.markdown import NOTE, code, table
from prometheus_client.metrics import Info, MetricWrapperBase

_MODULES = {
    "The Kafka kernel, in every service": "steno.kafka.metrics",
    "The HTTP server, in every service": "steno.http.metrics",
    "ingest": "steno_ingest.metrics",
    "transcriber": "steno_transcriber.metrics",
    "enricher": "steno_enricher.metrics",
    "notifier": "steno_notifier.metrics",
}

_SUFFIXES = {"counter": "_total", "info": "_info"}

_INTRODUCTION = """# Metrics

Every service answers `GET /metrics` on its HTTP port, or on its admin port where one is set, in Prometheus' text
format, without a key. Beside those below, it tells Python's and the process's own.

"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A metric that a module declares."""

    #: As it is written in a query, but for the suffixes of a histogram.
    name: str
    #: `counter`, `gauge`, `histogram` or `info`.
    kind: str
    labels: tuple[str, ...]
    meaning: str


def declared() -> Iterator[Declared]:
    """All metrics that Steno declares."""
    for name in _MODULES.values():
        yield from _of(import_module(name))


def page() -> str:
    """The whole page."""
    return NOTE + _INTRODUCTION + "".join(_section(title, import_module(name)) for title, name in _MODULES.items())


def _section(title: str, module: ModuleType) -> str:
    rows = [[code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), metric.meaning] for metric in _of(module)]
    return f"## {title}\n\n" + table(["Metric", "Type", "Labels", "What"], rows)


def _of(module: ModuleType) -> Iterator[Declared]:
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            yield Declared(
                name=family.name + _SUFFIXES.get(family.type, ""),
                kind=family.type,
                labels=tuple(metric._value if isinstance(metric, Info) else metric._labelnames),
                meaning=family.documentation,
            )
