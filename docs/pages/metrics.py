"""`metrics.md`: what `/metrics` of each service tells, from the modules that declare the metrics."""

from importlib import import_module
from types import ModuleType

from pages.markdown import NOTE, code, table
from prometheus_client.metrics import MetricWrapperBase

_MODULES = {
    "The Kafka kernel, in every service": "steno.kafka.metrics",
    "The HTTP server, in every service": "steno.http.metrics",
    "ingest": "steno_ingest.metrics",
    "transcriber": "steno_transcriber.metrics",
    "enricher": "steno_enricher.metrics",
    "notifier": "steno_notifier.metrics",
}

_INTRODUCTION = """# Metrics

Every service answers `GET /metrics` on its HTTP port, or on its admin port where one is set, in Prometheus' text
format, without a key. Beside those below, it tells Python's and the process's own.

"""


def page() -> str:
    """The whole page."""
    return NOTE + _INTRODUCTION + "".join(_section(title, import_module(name)) for title, name in _MODULES.items())


def _section(title: str, module: ModuleType) -> str:
    rows = []
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(code(label) for label in metric._labelnames)
            rows.append([code(name), family.type, labels, family.documentation])
    return f"## {title}\n\n" + table(["Metric", "Type", "Labels", "What"], rows)
