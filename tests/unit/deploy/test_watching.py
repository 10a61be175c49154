"""Dashboards, alert rules and runbooks: what they name exists, and each has its other half."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages.metrics import declared
from support.watching import (
    DASHBOARDS,
    DEPLOY,
    RULE_TESTS,
    Query,
    labels_by_series,
    metric_of,
    named,
    panels,
    queries_of,
    rules,
)
from watching.boards import BOARDS

RUNBOOKS = DEPLOY.parent / "docs" / "runbooks"
SECTIONS = ["What it means", "How to look", "What to do", "What not to do"]
RULES = [pytest.param(rule, id=rule["alert"]) for rule in rules()]


def assert_exists(query: Query) -> None:
    """Every series that a query names is declared, with the labels that it is chosen or grouped by."""
    known = labels_by_series()
    for name, labels in named(query).items():
        assert name in known, f"{query.where}: {name} is not declared"
        assert labels <= known[name], f"{query.where}: {name} has no labels {labels - known[name]}"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_name_what_exists(dashboard: Path) -> None:
    """Each query of each panel is PromQL of declared metrics and labels, and each legend of labels that are grouped by."""
    for query in queries_of(dashboard):
        assert_exists(query)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            grouped = set().union(*named(Query(where=panel["title"], promql=target["expr"])).values())
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped, panel["title"]


def test_every_metric_has_a_panel() -> None:
    """Whoever is on call can see all that Steno measures."""
    shown = {metric_of(name) for dashboard in DASHBOARDS for query in queries_of(dashboard) for name in named(query)}
    assert {metric.name for metric in declared()} - shown == set()


def test_dashboards_are_those_that_are_described() -> None:
    """No file is left of a dashboard that is no more, and every panel has room in Grafana's grid of 24 columns."""
    assert {path.stem for path in DASHBOARDS} == {board.name for board in BOARDS}
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]


@pytest.mark.parametrize("rule", RULES)
def test_rules_name_what_exists(rule: dict[str, Any]) -> None:
    """Each rule asks for declared metrics and labels, and says how urgent it is."""
    assert_exists(Query(where=rule["alert"], promql=rule["expr"]))
    assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("rule", RULES)
def test_rules_have_runbooks(rule: dict[str, Any]) -> None:
    """Each rule leads to a page that says what it means, how to look, what to do and what not to do."""
    page = RUNBOOKS / f"{rule['alert']}.md"
    assert rule["annotations"]["runbook"] == str(page.relative_to(RUNBOOKS.parents[1]))
    text = page.read_text("utf-8")
    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "```sh" in text, "no command"


def test_no_runbook_is_left_of_a_rule_that_is_no_more() -> None:
    """Beside the runbooks of the rules there is only the page that lists them."""
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in rules()} | {"README"}


@pytest.mark.parametrize("rule", RULES)
def test_runbooks_name_what_exists(rule: dict[str, Any]) -> None:
    """The queries that a runbook asks, the settings and the lines of the log that it names: all of them are there."""
    text = (RUNBOOKS / f"{rule['alert']}.md").read_text("utf-8")
    for promql in re.findall(r"^ask '(.*?)'", text, re.MULTILINE):
        assert_exists(Query(where=rule["alert"], promql=promql))
    settings = (RUNBOOKS.parent / "settings.md").read_text("utf-8")
    assert [name for name in re.findall(r"STENO_[A-Z_]+[A-Z]\b", text) if f"`{name}`" not in settings] == []
    logged = re.findall(r'\.event=="([a-z_.]+)"', text) + re.findall(r"`([a-z_]+\.[a-z_]+)`", text)
    assert [event for event in logged if f'"{event}"' not in sources()] == []


@cache
def sources() -> str:
    """The text of all modules of the services."""
    root = DEPLOY.parent
    modules = [*(root / "steno").rglob("*.py"), *(root / "services").glob("*/steno_*/**/*.py")]
    return "\n".join(module.read_text("utf-8") for module in modules)


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_tested_both_ways(rule: dict[str, Any]) -> None:
    """Recorded series fire each rule, and others that come close to it do not."""
    tests = [test for group in yaml.safe_load(RULE_TESTS.read_text("utf-8"))["tests"] for test in group["alert_rule_test"]]
    assert {bool(test["exp_alerts"]) for test in tests if test["alertname"] == rule["alert"]} == {True, False}
