"""Jars that Kafka names as needed and does not need."""

import zipfile

from steno.broker import jars

LEFT_OUT = tuple(f"org/apache/commons/{name}/".encode() for name in ("beanutils", "collections", "digester", "logging"))
VALIDATOR = b"org/apache/commons/validator/"


def test_no_class_that_kafka_reaches_needs_a_jar_that_is_left_out() -> None:
    """Only commons-validator's classes name them, and none of its routines, which are all that others use of it."""
    used_of_validator: set[str] = set()
    for path in jars.fetch():
        with zipfile.ZipFile(path) as jar:
            for entry in jar.namelist():
                if not entry.endswith(".class"):
                    continue
                content = jar.read(entry)
                if path.name.startswith("commons-validator-"):
                    assert "/routines/" not in entry or not any(name in content for name in LEFT_OUT), entry
                    continue
                assert not any(name in content for name in LEFT_OUT), f"{path.name}: {entry}"
                if VALIDATOR in content:
                    used_of_validator |= {part.split(b"/")[0].decode() for part in content.split(VALIDATOR)[1:]}
    assert used_of_validator == {"routines"}
