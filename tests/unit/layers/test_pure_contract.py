"""The contract of pure modules finds what is against the mark in a module's docstring."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import grimp
import pytest
from support.pure_contract import PureContract

Findings = Callable[[Mapping[str, str]], list[str]]


@pytest.fixture
def findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Findings:
    """What the contract finds in a package of these files, which has an adapter, `adapters/kafka.py`."""
    package = re.sub(r"\W", "_", request.node.name)
    monkeypatch.syspath_prepend(tmp_path)

    def found(files: Mapping[str, str]) -> list[str]:
        for name, text in {"__init__": "", "adapters/__init__": "", "adapters/kafka": "import aiokafka", **files}.items():
            path = tmp_path / package / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("PACKAGE", package))
        graph = grimp.build_graph(package, include_external_packages=True, cache_dir=None)
        contract = PureContract(
            "pure",
            session_options={"root_packages": [package]},
            contract_options={"adapters": [f"{package}.adapters", "aiokafka"], "io_modules": ["socket"]},
        )
        check = contract.check(graph, verbose=False)
        assert check.kept is not bool(check.metadata["findings"])
        return [finding.replace(package, "PACKAGE") for finding in check.metadata["findings"]]

    return found


def test_a_pure_module_that_imports_nothing_is_kept(findings: Findings) -> None:
    assert findings({"states": '"""States. Pure."""'}) == []


@pytest.mark.parametrize("mark", ["Pure.", "Pure: no clock.", "Pure, and small.", "Imports no adapter."])
def test_an_adapter_behind_another_module_is_found(findings: Findings, mark: str) -> None:
    files = {"states": f'"""States. {mark}"""\nimport PACKAGE.rows', "rows": '"""Rows."""\nimport PACKAGE.adapters.kafka'}
    assert findings(files) == ["PACKAGE.states -> PACKAGE.rows -> PACKAGE.adapters.kafka"]


def test_a_package_of_others_is_found(findings: Findings) -> None:
    assert findings({"states": '"""States.\n\nPure.\n"""\nimport aiokafka'}) == ["PACKAGE.states -> aiokafka"]


def test_a_module_without_a_mark_imports_what_it_likes(findings: Findings) -> None:
    files = {"pure": '"""Pure."""', "rows": '"""Rows of pure values; Pure Data is something else."""\nimport aiokafka'}
    assert findings(files) == []


def test_a_pure_module_among_adapters_is_none(findings: Findings) -> None:
    assert findings({"states": '"""Pure."""\nimport PACKAGE.adapters.names', "adapters/names": '"""Names. Pure."""'}) == []


def test_io_of_a_pure_module_itself_is_found(findings: Findings) -> None:
    files = {
        "pure": '"""Pure."""\nimport socket',
        "slow": '"""Imports no adapter."""\nimport socket',
        "pure_above": '"""Pure."""\nimport PACKAGE.slow',
    }
    assert findings(files) == ["PACKAGE.pure is pure, and imports socket"]


def test_each_module_of_a_pure_package_says_what_it_is(findings: Findings) -> None:
    files = {
        "doors/__init__": '"""Pure, but for those that say why not."""',
        "doors/stream": '"""Pure."""',
        "doors/entrance": '"""Not pure: it asks the clock."""\nimport aiokafka',
        "doors/deep/silent": '"""Imports no adapter."""',
        "doors/deep/__init__": '"""Pure."""',
    }
    assert findings(files) == ["PACKAGE.doors.deep.silent says neither that it is pure nor that it is not"]


def test_a_check_that_would_find_nothing_fails(findings: Findings) -> None:
    with pytest.raises(ValueError, match=r"no module of .* is marked as pure"):
        findings({})
