"""The queries of dashboards and alert rules, and what they name."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from pages.metrics import declared

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "dashboards").glob("*.json"))
RULES = DEPLOY / "prometheus" / "rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "rules_test.yml"

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
#: By Prometheus itself, and by its client library for Python.
_FROM_ELSEWHERE = ("up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds")
_FROM_SCRAPING = {"job", "instance"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query of a panel or a rule; `where` says of which."""

    where: str
    promql: str

    def over(self, interval: str) -> str:
        """The query with an interval in place of Grafana's variable."""
        return self.promql.replace("$__rate_interval", interval)


def panels(dashboard: Path) -> Iterator[Mapping[str, Any]]:
    """The panels of a dashboard that have queries."""
    yield from (panel for panel in json.loads(dashboard.read_text("utf-8"))["panels"] if panel.get("targets"))


def queries_of(dashboard: Path) -> list[Query]:
    """All queries of a dashboard."""
    return [
        Query(where=f"{dashboard.stem}: {panel['title']}", promql=target["expr"])
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def labels_by_series() -> dict[str, set[str]]:
    """The labels of every series that there can be, by its name."""
    found = {name: set[str]() for name in _FROM_ELSEWHERE}
    for metric in declared():
        for suffix in _SUFFIXES.get(metric.kind, ("",)):
            found[metric.name + suffix] = {*metric.labels, *(("le",) if suffix == "_bucket" else ())}
    return {name: labels | _FROM_SCRAPING for name, labels in found.items()}


def metric_of(series: str) -> str:
    """The metric that a series belongs to: a histogram has several."""
    histograms = {metric.name + suffix: metric.name for metric in declared() for suffix in _SUFFIXES.get(metric.kind, ())}
    return histograms.get(series, series)


def named(query: Query) -> dict[str, set[str]]:
    """The series that a query names, each with the labels by which they are chosen or grouped."""
    found: defaultdict[str, set[str]] = defaultdict(set)

    def visit(expression: promql_parser.Expr) -> None:
        if isinstance(expression, promql_parser.VectorSelector):
            assert expression.name is not None, f"{query.where}: a selector without a name"
            found[expression.name] |= {matcher.name for matcher in expression.matchers.matchers}
        elif isinstance(expression, promql_parser.AggregateExpr) and expression.modifier is not None:
            for name in _names(expression.expr):
                found[name] |= set(expression.modifier.labels)

    promql_parser.walk(promql_parser.parse(query.over("5m")), pre_visit=visit)
    return found


def increases(rule: Mapping[str, Any]) -> list[str]:
    """The counters whose increase a rule asks for, as queries of their values."""
    found = list[str]()

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.Call) and part.func.name == "increase":
            (selector,) = part.args
            assert isinstance(selector, promql_parser.MatrixSelector)
            found.append(selector.vector_selector.prettify())

    promql_parser.walk(promql_parser.parse(rule["expr"]), pre_visit=visit)
    return found


def _names(expression: promql_parser.Expr) -> set[str]:
    found: set[str] = set()

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector) and part.name is not None:
            found.add(part.name)

    promql_parser.walk(expression, pre_visit=visit)
    return found
