"""The data folder and the command line, with programs that stand in for Java."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from steno import locked_child
from steno.broker import BrokerError, BrokerFailed, DataFolderInUse, jars, prepare, prepare_cluster

FORMATS = """#!/bin/sh
case "$*" in
*-version*) echo 'openjdk version "17"' >&2 ;;
*StorageTool*)
    for word; do last=$word; done
    mkdir -p "$(dirname "$last")/kafka"
    echo "$@" > "$(dirname "$last")/kafka/meta.properties" ;;
esac
"""


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program that formats a folder by leaving the file that marks it formatted."""
    monkeypatch.setattr(jars, "fetch", lambda progress=None: (Path("/jars/a.jar"), Path("/jars/b.jar")))
    return script(tmp_path / "java", FORMATS)


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_command_is_guarded_and_runs_kafka_on_its_properties(tmp_path: Path, java: str) -> None:
    """The guard gets parent and lock, Java the small heap, Kafka its properties; the class path goes by the environment."""
    command = prepare(tmp_path / "data", java=java)
    folder = tmp_path / "data" / "1"
    assert command.argv[0] == sys.executable
    assert command.argv[3:7] == (locked_child.__file__, str(os.getpid()), str(folder / "lock"), java)
    assert "-Xmx256m" in command.argv
    assert command.argv[-2:] == ("kafka.Kafka", str(folder / "server.properties"))
    assert command.env["CLASSPATH"] == "/jars/a.jar:/jars/b.jar"
    assert command.log_path == folder / "broker.log"
    assert command.bootstrap_servers.startswith("127.0.0.1:")


def test_a_folder_keeps_its_cluster_and_its_ports(tmp_path: Path, java: str) -> None:
    """Prepared again, the folder has the same id and addresses, and is not formatted again."""
    first = prepare_cluster(tmp_path / "data", brokers=3, java=java)
    formatted = (tmp_path / "data" / "2" / "kafka" / "meta.properties").stat().st_mtime_ns
    assert prepare_cluster(tmp_path / "data", brokers=3, java=java) == first
    assert (tmp_path / "data" / "2" / "kafka" / "meta.properties").stat().st_mtime_ns == formatted


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, java: str) -> None:
    """The cluster stays, its addresses change, and the properties say so."""
    first = prepare(tmp_path / "data", java=java)
    host, _, port = first.bootstrap_servers.rpartition(":")
    cluster_id = json.loads((tmp_path / "data" / "cluster.json").read_text())["cluster_id"]
    with socket.create_server((host, int(port))):
        second = prepare(tmp_path / "data", java=java)
    assert second.bootstrap_servers != first.bootstrap_servers
    assert json.loads((tmp_path / "data" / "cluster.json").read_text())["cluster_id"] == cluster_id
    assert second.bootstrap_servers in (tmp_path / "data" / "1" / "server.properties").read_text()


def test_a_folder_in_use_is_refused(tmp_path: Path, java: str) -> None:
    """Whoever holds the lock is named."""
    prepare(tmp_path / "data", java=java)
    held = locked_child.lock(tmp_path / "data" / "1" / "lock")
    assert held is not None
    with pytest.raises(DataFolderInUse, match=rf"in use by process {os.getpid()}; stop"):
        prepare(tmp_path / "data", java=java)
    os.close(held)
    prepare(tmp_path / "data", java=java)


def test_a_folder_of_another_size_or_damaged_is_refused(tmp_path: Path, java: str) -> None:
    """Neither is written over."""
    prepare(tmp_path / "data", java=java)
    with pytest.raises(BrokerError, match="holds a cluster of 1, not of 3"):
        prepare_cluster(tmp_path / "data", brokers=3, java=java)
    (tmp_path / "data" / "cluster.json").write_text("{")
    with pytest.raises(BrokerError, match=r"cluster\.json is damaged"):
        prepare(tmp_path / "data", java=java)
    with pytest.raises(BrokerError, match="1 or 3 brokers, not 2"):
        prepare_cluster(tmp_path / "other", brokers=2, java=java)


def test_a_failed_format_says_what_kafka_said(tmp_path: Path, java: str) -> None:
    """The tool's own words are in the error."""
    java = script(
        tmp_path / "java",
        "#!/bin/sh\necho 'openjdk version \"17\"'\ncase $* in *-version*) ;; *) echo no space left; exit 1;; esac\n",
    )
    with pytest.raises(BrokerFailed, match=r"could not be formatted for Kafka:\n.*\nno space left"):
        prepare(tmp_path / "data", java=java)
