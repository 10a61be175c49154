"""Looks the parts up among known faults: `python -m supply.advisories` (`make advisories`), in CI at each run.

Python packages and Java libraries are asked for at OSV, which gathers the advisories of PyPA, GitHub and others. A fault that a
newer version mends fails the run, unless `ignored.toml` says why it may stay, and until when; one that nothing mends is told.
Where OSV cannot be reached, nothing was looked up: the run says so in a word, and passes.

Source: OSV's API (`/v1/querybatch`, `/v1/vulns/ID`) and schema 1.7.
"""

import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
from packaging.utils import canonicalize_name

from supply.parts import Part, UnknownPart, java_parts, python_parts

OSV = "https://api.osv.dev"
IGNORED = Path(__file__).with_name("ignored.toml")
_AT_ONCE = 500
_ECOSYSTEMS = {"pypi": "PyPI", "maven": "Maven"}


class OsvAway(Exception):
    """OSV cannot be reached, or does not answer as it should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advisory:
    """A known fault of a part: by which names it is known, what it is, and the versions that mend it."""

    part: Part
    names: tuple[str, ...]
    summary: str
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "nothing mends it yet"
        return f"{self.part.name} {self.part.version}: {'/'.join(self.names)}: {self.summary or 'no summary'} ({mended})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """A fault that may stay: its id, why, and the last day that this holds for."""

    id: str
    reason: str
    until: date


def read_ignored(text: str) -> tuple[Ignored, ...]:
    """The list of faults that may stay. Raises `ValueError` for one without a reason, or without an end."""
    entries = tomllib.loads(text).get("ignored", [])
    try:
        made = tuple(Ignored(**entry) for entry in entries)
    except TypeError as error:
        raise ValueError(f"ignored.toml: give each entry an id, a reason and a day it holds until ({error})") from None
    for entry in made:
        if type(entry.until) is not date or not entry.reason.strip() or not entry.id.strip():
            raise ValueError(f"ignored.toml: {entry.id}: give each entry an id, a reason and a day it holds until")
    return made


def parts() -> list[Part]:
    """What OSV knows about: the Python packages of the suite, and the Java libraries."""
    return [part for part in (*python_parts(["steno[suite]"]), *java_parts()) if part.purl.type in _ECOSYSTEMS]


def look_up(client: httpx.Client, looked_for: Sequence[Part]) -> list[Advisory]:
    """The known faults of parts, by part. Raises `OsvAway`."""
    try:
        found = [(part, id_) for part, ids in zip(looked_for, _ids(client, looked_for), strict=True) for id_ in ids]
        records = {id_: _got(client.get(f"/v1/vulns/{id_}")) for id_ in sorted({id_ for _, id_ in found})}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise OsvAway(f"{type(error).__name__}: {error}") from error
    advisories: dict[tuple[str, frozenset[str]], Advisory] = {}
    for part, id_ in found:
        record = records[id_]
        names = (id_, *(name for name in record.get("aliases", []) if name != id_))
        if "withdrawn" not in record:
            # The same fault comes from several who gather them, each naming the others.
            advisories.setdefault(
                (part.purl.to_string(), frozenset(names)),
                Advisory(part=part, names=names, summary=record.get("summary", ""), mended_in=mended_in(record, part)),
            )
    return list(advisories.values())


def mended_in(record: dict[str, Any], part: Part) -> tuple[str, ...]:
    """The versions of a part that mend what an OSV record tells of; where it tells the last bad one only, that with `>`."""
    name = f"{part.purl.namespace}:{part.name}" if part.purl.type == "maven" else canonicalize_name(part.name)
    versions: dict[str, None] = {}
    for affected in record.get("affected", []):
        package = affected.get("package", {})
        told = package.get("name", "")
        told = canonicalize_name(told) if part.purl.type == "pypi" else told
        if (package.get("ecosystem"), told) != (_ECOSYSTEMS[part.purl.type], name):
            continue
        for span in affected.get("ranges", []):
            if span.get("type") == "GIT":
                continue
            for event in span.get("events", []):
                if "fixed" in event:
                    versions[event["fixed"]] = None
                elif "last_affected" in event:
                    versions[f">{event['last_affected']}"] = None
    return tuple(versions)


def judge(advisories: Iterable[Advisory], ignored: Sequence[Ignored], today: date) -> tuple[list[str], list[str]]:
    """What fails a run, and what is only told."""
    failing, told, used = [], [], set[str]()
    for advisory in advisories:
        excuse = next((entry for entry in ignored if entry.id in advisory.names), None)
        if excuse is not None:
            used.add(excuse.id)
        if excuse is not None and today <= excuse.until:
            told.append(f"ignored until {excuse.until}: {advisory}: {excuse.reason}")
        elif not advisory.mended_in:
            told.append(str(advisory))
        else:
            failing.append(f"{advisory}" + (f"; it was ignored until {excuse.until} only" if excuse else ""))
    told += [f"{entry.id} in ignored.toml is not found any more: take it out" for entry in ignored if entry.id not in used]
    return failing, told


def main(client: httpx.Client, looked_for: Sequence[Part], ignored: Sequence[Ignored], today: date) -> int:
    """Looks up, tells, and returns the exit status."""
    try:
        advisories = look_up(client, looked_for)
    except OsvAway as error:
        print(f"advisories: SKIPPED, none of {len(looked_for)} parts was looked up: OSV cannot be asked from here ({error})")  # noqa: T201
        return 0
    failing, told = judge(advisories, ignored, today)
    for line in (*told, *failing):
        print(f"advisories: {line}")  # noqa: T201
    print(f"advisories: {len(looked_for)} parts looked up, {len(failing)} with a known fault that a newer version mends")  # noqa: T201
    return 1 if failing else 0


def _ids(client: httpx.Client, looked_for: Sequence[Part]) -> list[list[str]]:
    """The ids of the faults of each part; an answer that has more says where it goes on."""
    found: list[list[str]] = [[] for _ in looked_for]
    waiting = [(number, {"package": {"purl": part.purl.to_string()}}) for number, part in enumerate(looked_for)]
    while waiting:
        asked, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        results = _got(client.post("/v1/querybatch", json={"queries": [query for _, query in asked]}))["results"]
        for (number, query), result in zip(asked, results, strict=True):
            found[number] += [entry["id"] for entry in result.get("vulns", [])]
            if token := result.get("next_page_token"):
                waiting.append((number, {**query, "page_token": token}))
    return found


def _got(response: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = response.raise_for_status().json()
    return document


if __name__ == "__main__":
    try:
        excuses = read_ignored(IGNORED.read_text("utf-8"))
        with httpx.Client(base_url=OSV, timeout=20) as osv:
            sys.exit(main(osv, parts(), excuses, datetime.now(UTC).date()))
    except (UnknownPart, ValueError) as error:
        sys.exit(f"advisories: {error}")
