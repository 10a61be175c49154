"""Publishes the contract: freezes changed schemas as new versions with new ids, and writes the AsyncAPI document and
the JSON Schema of the result document.

    python -m steno.events.publish            # after a change to a record, to schemas/topics.toml or to the result document
    python -m steno.events.publish --check    # in CI: fails when anything is not published

A version once frozen never changes and never goes: its id is on messages that outlive it. Doc strings in `records/` may be
edited without a new version.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType

from steno.errors import StenoError
from steno.events.asyncapi import document_text
from steno.events.catalogue import catalogue
from steno.events.compatibility import incompatibilities, rule_violations
from steno.events.result_document import json_schema
from steno.events.schemas import Schema, parse, schemas_folder


class ContractError(StenoError):
    """The schemas folder cannot be published as it is; each line of the message is one thing to put right."""

    error_class = "contract"


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """A published version of a record's schema."""

    schema_id: int
    record: str
    version: int
    #: Lower-case hexadecimal digest of the frozen file.
    sha256: str

    @property
    def file_name(self) -> str:
        """Its file in `versions/`."""
        return f"{self.record}.v{self.version}.avsc"


def publish(folder: Path) -> dict[str, str]:
    """The files of the schemas folder as they should be (path within it to text) where they are not so already.

    Raises:
        ContractError: a frozen version changed or vanished, or a change does not keep to the rules of compatibility.
    """
    frozen = _read_ids(folder)
    current = {path.stem: path.read_text("utf-8") for path in sorted((folder / "records").glob("*.avsc"))}
    problems = _vanished(folder, frozen, current) or _unusable(current) or _missing(current)
    if problems:
        raise ContractError("\n".join(problems))

    wanted: dict[str, str] = {}
    for record, text in current.items():
        versions = {entry.version: _load(folder, entry) for entry in frozen if entry.record == record}
        schema = json.loads(text)
        if versions and without_docs(versions[max(versions)]) == without_docs(schema):
            continue
        versions[len(versions) + 1] = schema
        problems += [f"{record}: {problem}" for problem in (*rule_violations(schema), *incompatibilities(versions))]
        entry = Frozen(schema_id=len(frozen) + 1, record=record, version=len(versions), sha256=_sha256(text))
        frozen = [*frozen, entry]
        wanted[f"versions/{entry.file_name}"] = text
    if problems:
        raise ContractError("\n".join(problems))

    wanted["ids.json"] = _ids_text(frozen)
    wanted["result-document.schema.json"] = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    wanted["asyncapi.yaml"] = document_text({entry.record: entry.schema_id for entry in frozen})
    return {name: text for name, text in wanted.items() if _text_of(folder / name) != text}


def without_docs(schema: Any) -> Any:
    """A schema without its doc strings, which say nothing about bytes."""
    if isinstance(schema, list):
        return [without_docs(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: value if key == "default" else without_docs(value) for key, value in schema.items() if key != "doc"}
    return schema


def _read_ids(folder: Path) -> list[Frozen]:
    try:
        entries = json.loads(_text_of(folder / "ids.json") or "{}")
        frozen = [Frozen(schema_id=int(key), **entry) for key, entry in entries.items()]
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(f"ids.json is not what this program writes: {error}") from error
    return sorted(frozen, key=lambda entry: entry.schema_id)


def _vanished(folder: Path, frozen: Sequence[Frozen], current: dict[str, str]) -> list[str]:
    problems = []
    if [entry.schema_id for entry in frozen] != list(range(1, len(frozen) + 1)):
        problems.append("ids.json: the ids must run from 1 without a gap; an id once given stays")
    for entry in frozen:
        text = _text_of(folder / "versions" / entry.file_name)
        if text is None:
            problems.append(f"versions/{entry.file_name} is gone, but messages with schema id {entry.schema_id} remain")
        elif _sha256(text) != entry.sha256:
            problems.append(f"versions/{entry.file_name} was edited; a frozen version stays as it is, change records/ instead")
        if entry.record not in current:
            problems.append(f"records/{entry.record}.avsc is gone; a record once published stays readable")
    known = {entry.file_name for entry in frozen}
    strays = sorted(path.name for path in (folder / "versions").glob("*.avsc") if path.name not in known)
    problems += [f"versions/{name} has no id in ids.json; versions are made by this program only" for name in strays]
    for record in sorted({entry.record for entry in frozen}):
        numbers = sorted(entry.version for entry in frozen if entry.record == record)
        if numbers != list(range(1, len(numbers) + 1)):
            problems.append(f"ids.json: the versions of {record} must run from 1 without a gap")
    return problems


def _unusable(current: dict[str, str]) -> list[str]:
    problems = []
    for record, text in current.items():
        try:
            schema = json.loads(text)
            parse(schema)
        except (ValueError, TypeError, KeyError, SchemaParseException, UnknownType) as error:
            problems.append(f"records/{record}.avsc is not an Avro schema: {error!r}")
            continue
        if schema["type"] != "record" or (schema.get("namespace"), schema["name"]) != ("steno", record):
            problems.append(f"records/{record}.avsc must define the record steno.{record}")
    return problems


def _missing(current: dict[str, str]) -> list[str]:
    on_topics = {record for topic in catalogue().values() for record in topic.records}
    return [
        *(f"topics.toml names {record}, but records/{record}.avsc is missing" for record in sorted(on_topics - current.keys())),
        *(f"records/{record}.avsc stands on no topic of topics.toml" for record in sorted(current.keys() - on_topics)),
    ]


def _load(folder: Path, entry: Frozen) -> Schema:
    schema: Schema = json.loads((folder / "versions" / entry.file_name).read_text("utf-8"))
    return schema


def _ids_text(frozen: Sequence[Frozen]) -> str:
    entries = {str(e.schema_id): {"record": e.record, "version": e.version, "sha256": e.sha256} for e in frozen}
    return json.dumps(entries, indent=2) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """The command; 1 when something is not published (`--check`) or cannot be."""
    parser = argparse.ArgumentParser(prog="python -m steno.events.publish", description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would be written")
    check = parser.parse_args(arguments).check
    folder = folder or Path(str(schemas_folder())).resolve()
    try:
        changes = publish(folder)
    except ContractError as error:
        sys.stderr.write(f"the schemas cannot be published:\n{error}\n")
        return 1
    for name, text in changes.items():
        if not check:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        sys.stdout.write(f"{'not published' if check else 'wrote'}: schemas/{name}\n")
    if check and changes:
        sys.stderr.write("run `make docs` and commit what it writes\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
