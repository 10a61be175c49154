"""What Kafka is told."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from steno.broker.properties import Node, log_properties, render, server_properties

NODES = [Node(node_id=number, broker_port=20_000 + number, controller_port=21_000 + number) for number in (1, 2, 3)]


def test_one_broker_keeps_one_copy_and_listens_on_loopback_only() -> None:
    """A single broker asks for no copies it cannot make, and binds no outside address."""
    properties = server_properties(NODES[0], NODES[:1], Path("/data/1/kafka"))
    assert properties["offsets.topic.replication.factor"] == "1"
    assert properties["min.insync.replicas"] == "1"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:21001"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:21001"


def test_three_brokers_keep_three_copies_and_agree_on_their_voters() -> None:
    """All three have the same voters, three copies by default, and two must acknowledge."""
    rendered = [server_properties(node, NODES, Path("/data")) for node in NODES]
    assert {properties["controller.quorum.voters"] for properties in rendered} == {
        "1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003"
    }
    assert [properties["node.id"] for properties in rendered] == ["1", "2", "3"]
    for properties in rendered:
        assert properties["default.replication.factor"] == "3"
        assert properties["min.insync.replicas"] == "2"
        assert properties["transaction.state.log.min.isr"] == "2"


def test_every_log_line_reaches_the_file_and_only_errors_the_console() -> None:
    """The log file is where the broker says, and what a supervisor sees on the console is errors."""
    properties = log_properties(Path("/data/1/broker.log"))
    assert properties["appender.file.fileName"] == "/data/1/broker.log"
    assert properties["rootLogger.level"] == "info"
    assert properties["appender.console.filter.threshold.level"] == "error"


@given(st.text())
def test_a_rendered_value_reads_back_as_java_reads_it(value: str) -> None:
    """Any value, spaces, backslashes, line ends and other scripts included, survives the properties file."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        return
    line = render({"log.dirs": value})
    assert line.isascii()
    assert line.count("\n") == 1
    assert _read(line) == value


def _read(line: str) -> str:
    """`java.util.Properties.load`, for one line of the form name=value."""
    text = line.rstrip("\n").partition("=")[2].lstrip(" ")
    units = re.sub(r"\\(u[0-9a-f]{4}|.)", lambda found: chr(int(found[1][1:], 16)) if len(found[1]) == 5 else found[1], text)
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
