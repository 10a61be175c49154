"""Publishing: frozen versions and ids follow the records, and nothing published changes or goes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steno.events.publish import ContractError, main, publish
from steno.events.schemas import frozen_schemas, published_ids, schemas_folder

Edit = Callable[[Path], object]

NEXT = len(frozen_schemas("Phrase")) + 1
"""The version of the record Phrase that comes next."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schemas folder to play with."""
    return Path(shutil.copytree(Path(str(schemas_folder())).resolve(), tmp_path / "schemas"))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Edits a JSON file in place."""
    value = json.loads(path.read_text("utf-8"))
    edit(value)
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def record(name: str, kind: str) -> dict[str, Any]:
    """A schema with one field of that type."""
    return {"type": "record", "name": name, "namespace": "steno", "fields": [{"name": "id", "type": kind}]}


def add_field(folder: Path, **extra: Any) -> None:
    """Gives Phrase a new field."""
    change(folder / "records/Phrase.avsc", lambda schema: schema["fields"].append({"name": "mood", "type": "string", **extra}))


def test_the_repository_is_published() -> None:
    """What stands in the repository is what this program makes of it."""
    assert main(["--check"]) == 0


def test_a_changed_record_is_a_new_version_with_a_new_id(folder: Path) -> None:
    """The next id goes to the next version, and the frozen file is the record as it stands."""
    add_field(folder, default="")
    assert main([], folder=folder) == 0
    ids = json.loads((folder / "ids.json").read_text("utf-8"))
    newest = ids[str(len(published_ids()) + 1)]
    assert (newest["record"], newest["version"]) == ("Phrase", NEXT)
    assert (folder / f"versions/Phrase.v{NEXT}.avsc").read_bytes() == (folder / "records/Phrase.avsc").read_bytes()
    assert main(["--check"], folder=folder) == 0


def test_a_check_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CI is told what is missing; the files stay as they are."""
    add_field(folder, default="")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["--check"], folder=folder) == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert f"not published: schemas/versions/Phrase.v{NEXT}.avsc" in capsys.readouterr().out


def test_doc_strings_may_change_without_a_version(folder: Path) -> None:
    """They say nothing about bytes."""
    change(folder / "records/Phrase.avsc", lambda schema: schema["fields"][0].update(doc="Another word for it."))
    assert publish(folder) == {}


def test_a_breaking_change_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new field without a default would leave old records unreadable: nothing is written."""
    add_field(folder)
    assert main([], folder=folder) == 1
    assert not (folder / f"versions/Phrase.v{NEXT}.avsc").exists()
    assert f"Phrase: v{NEXT} cannot read v1" in capsys.readouterr().err


def test_a_stale_document_is_written_again(folder: Path) -> None:
    """The AsyncAPI document is a product too."""
    (folder / "asyncapi.yaml").write_text("asyncapi: 3.1.0\n")
    assert list(publish(folder)) == ["asyncapi.yaml"]


BROKEN: dict[str, tuple[Edit, str]] = {
    "a frozen version was edited": (
        lambda folder: change(folder / "versions/Phrase.v1.avsc", lambda schema: schema["fields"].pop()),
        "versions/Phrase.v1.avsc was edited",
    ),
    "a frozen version vanished": (lambda folder: (folder / "versions/Phrase.v1.avsc").unlink(), "schema id 4 remain"),
    "a record vanished": (lambda folder: (folder / "records/Phrase.avsc").unlink(), "records/Phrase.avsc is gone"),
    "an id vanished": (lambda folder: change(folder / "ids.json", lambda ids: ids.pop("4")), "without a gap"),
    "the last id vanished": (lambda folder: change(folder / "ids.json", lambda ids: ids.popitem()), "has no id in ids.json"),
    "ids.json is gone": (lambda folder: (folder / "ids.json").unlink(), "has no id in ids.json"),
    "ids.json is not JSON": (lambda folder: (folder / "ids.json").write_text("{"), "ids.json is not what"),
    "a version is not the next one": (
        lambda folder: change(folder / "ids.json", lambda ids: ids["4"].update(version=3)),
        "versions of Phrase must run",
    ),
    "a record stands on no topic": (
        lambda folder: (folder / "records/Note.avsc").write_text(json.dumps(record("Note", "string"))),
        "records/Note.avsc stands on no topic",
    ),
    "a record has a type that is none": (
        lambda folder: (folder / "records/Note.avsc").write_text(json.dumps(record("Note", "strong"))),
        "records/Note.avsc is not an Avro schema",
    ),
    "a record is not JSON": (
        lambda folder: (folder / "records/Phrase.avsc").write_text("{"),
        "records/Phrase.avsc is not an Avro schema",
    ),
    "a record has another name than its file": (
        lambda folder: change(folder / "records/Phrase.avsc", lambda schema: schema.update(name="Sentence")),
        "must define the record steno.Phrase",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_contract_is_an_error(folder: Path, what: str) -> None:
    """Nothing published changes or goes; the message says which file."""
    edit, expected = BROKEN[what]
    edit(folder)
    with pytest.raises(ContractError) as caught:
        publish(folder)
    assert expected in str(caught.value)
