"""A contract for the import linter: modules must keep the promise of purity in their docstrings.

| a sentence of the docstring begins with | the module |
|---|---|
| `Pure` | imports no adapter, directly or through others, and nothing that does I/O or runs side by side |
| `Imports no adapter` | imports no adapter, directly or through others |
| `Not pure` | stands in a pure package, and says why it is not pure itself |

A package whose docstring is marked as pure is pure as a whole: each of its modules says which of the two it is.
"""

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain.contract import Contract, ContractCheck
from importlinter.domain.fields import SetField, StringField

_MARK = re.compile(r"(?:\A|[.:]\s+)(Pure|Not pure|Imports no adapter)\b")


class PureContract(Contract):
    """Modules that are marked import nothing of what their mark excludes.

    Options:
        adapters: packages and modules that no marked module imports, nor anything that it imports.
            A marked module in one of these packages is no adapter.
        io_modules: modules of the standard library that no pure module imports itself.
    """

    type_name = "pure"

    adapters = SetField(subfield=StringField())
    io_modules = SetField(subfield=StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find what marked modules import against their marks.

        Raises:
            ValueError: a root package has no marked module, or there is no such adapter of ours: nothing would be found.
        """
        roots = cast("list[str]", self.session_options["root_packages"])
        docstrings = {name: text for root in roots for name, text in _docstrings(root).items() if name in graph.modules}
        marks = {name: set(_MARK.findall(text)) for name, text in docstrings.items()}
        pure = {name for name, found in marks.items() if "Pure" in found}
        marked = pure | {name for name, found in marks.items() if "Imports no adapter" in found}
        for root in roots:
            if not any(name.split(".")[0] == root for name in marked):
                raise ValueError(f"no module of {root} is marked as pure")
        adapters = {
            name for adapter in cast("set[str]", self.adapters) for name in _with_descendants(adapter, graph, roots)
        } - marked
        io_modules = cast("set[str]", self.io_modules)
        findings = [
            *(f"{module} says neither that it is pure nor that it is not" for module in _silent(marks, pure)),
            *(
                f"{module} is pure, and imports {name}"
                for module in sorted(pure)
                for name in _direct(graph, module) & io_modules
            ),
            *(" -> ".join(chain) for module in sorted(marked) for chain in _ways(graph, module, adapters)),
        ]
        return ContractCheck(kept=not findings, metadata={"findings": findings})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what was found."""
        for finding in cast("list[str]", check.metadata["findings"]):
            output.print_error(f"- {finding}", bold=False)
        output.new_line()


def _silent(marks: Mapping[str, set[str]], pure: set[str]) -> Iterator[str]:
    """Modules of a pure package that do not say what they are."""
    for name, found in sorted(marks.items()):
        packages = (name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1))
        if not found & {"Pure", "Not pure"} and any(package in pure for package in packages):
            yield name


def _direct(graph: ImportGraph, module: str) -> set[str]:
    return graph.find_modules_directly_imported_by(module)


def _ways(graph: ImportGraph, module: str, adapters: set[str]) -> Iterator[tuple[str, ...]]:
    """The shortest way from a module to each adapter that it comes to without going through another."""
    for adapter in sorted(graph.find_upstream_modules(module) & adapters):
        way = graph.find_shortest_chain(importer=module, imported=adapter)
        if way is not None and not adapters.intersection(way[:-1]):
            yield tuple(way)


def _with_descendants(name: str, graph: ImportGraph, roots: list[str]) -> set[str]:
    """A package and all in it; of others' packages the graph has only their names, and only if somebody imports them."""
    if name.split(".")[0] not in roots:
        return {name}
    if name not in graph.modules:
        raise ValueError(f"there is no module {name}")
    return {name, *graph.find_descendants(name)}


@cache
def _docstrings(root: str) -> dict[str, str]:
    """The docstring of each module of a package, by its name."""
    spec = importlib.util.find_spec(root)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no package {root}")
    folder = Path(spec.origin).parent
    texts = {}
    for path in folder.rglob("*.py"):
        names = (root, *path.relative_to(folder).with_suffix("").parts)
        names = names[:-1] if names[-1] == "__init__" else names
        texts[".".join(names)] = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    return texts
