"""A trace as a tree of text. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from support.collector import CollectedSpan


@dataclass(kw_only=True, slots=True)
class Branch:
    """Spans of one name and service below the same branch."""

    service: str
    name: str
    spans: list[CollectedSpan] = field(default_factory=list)
    branches: list["Branch"] = field(default_factory=list)

    @property
    def start(self) -> float:
        """When the first began."""
        return min(span.start for span in self.spans)

    @property
    def end(self) -> float:
        """When the last ended."""
        return max(span.end for span in self.spans)


def branches_below(spans: Sequence[CollectedSpan], parents: Iterable[str]) -> list[Branch]:
    """The branches of a trace below some spans, by their start."""
    ids, found = set(parents), dict[tuple[str, str], Branch]()
    for span in spans:
        if span.parent_id in ids:
            branch = found.setdefault((span.service, span.name), Branch(service=span.service, name=span.name))
            branch.spans.append(span)
    for branch in found.values():
        branch.branches = branches_below(spans, [span.span_id for span in branch.spans])
    return sorted(found.values(), key=lambda branch: branch.start)


def lines(branches: Sequence[Branch]) -> list[str]:
    """A line for each branch: from when to when in milliseconds after the first, the service, and what was done, how often."""
    begin = min(branch.start for branch in branches)
    return ["  from      to  service", *_lines(branches, begin, 0)]


def paths(branches: Sequence[Branch], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The names on the way to each branch, which do not depend on times."""
    found = set[tuple[str, ...]]()
    for branch in branches:
        path = (*above, f"{branch.service} {branch.name}")
        found |= {path} | paths(branch.branches, path)
    return found


def paths_of_lines(text: Sequence[str]) -> set[tuple[str, ...]]:
    """The same names from the lines of a tree."""
    found, above = set[tuple[str, ...]](), list[str]()
    for line in text[1:]:
        service, rest = line[16:28].strip(), line[28:]
        name = rest.strip().split(" (")[0]
        depth = (len(rest) - len(rest.lstrip())) // 2
        above = [*above[:depth], f"steno-{service} {name}"]
        found.add(tuple(above))
    return found


def _lines(branches: Sequence[Branch], begin: float, depth: int) -> Iterable[str]:
    for branch in branches:
        start, end = (round(1000 * (at - begin)) for at in (branch.start, branch.end))
        times = f" ({len(branch.spans)} times)" if len(branch.spans) > 1 else ""
        service = branch.service.removeprefix("steno-")
        yield f"{start:6} {end:7}  {service:<12}{'  ' * depth}{branch.name}{times}"
        yield from _lines(branch.branches, begin, depth + 1)
