"""Writes the manifests that are made from the code: Kafka's topics, users and their access, alerts.

python deploy/kubernetes/generate.py            # after a change to the catalogue or the alert rules
python deploy/kubernetes/generate.py --check    # in CI: fails when a manifest is not what the code makes
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from steno.events.access import Rule, access_of
from steno.events.catalogue import Topic, catalogue, groups, topic_config
from steno.settings import SERVICES, TopicSettings

FOLDER = Path(__file__).parent
RULES = FOLDER.parent / "prometheus" / "rules.yml"

PARTITIONS = 12
"""STENO_TOPIC_PARTITIONS of the base."""

REPLICAS = 3
"""STENO_TOPIC_REPLICATION_FACTOR of the overlays that have Strimzi's Kafka."""

_NOTE = "# Made from the code by `make docs`; do not edit.\n"
_CLUSTER = {"strimzi.io/cluster": "kafka"}
_PREFIX = str(TopicSettings.model_fields["prefix"].default)


def topic(entry: Topic) -> dict[str, Any]:
    """A KafkaTopic, by which Strimzi makes a topic of the catalogue."""
    config = {name: int(value) if value.isdigit() else value for name, value in sorted(topic_config(entry).items())}
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": _PREFIX + entry.name, "labels": _CLUSTER},
        "spec": {"partitions": PARTITIONS, "replicas": REPLICAS, "config": config},
    }


def user(name: str, rules: Iterable[Rule]) -> dict[str, Any]:
    """A KafkaUser with its access; it creates no topics, as Strimzi does that."""
    acls = [
        {
            "resource": {"type": rule.resource.lower(), "name": rule.name, "patternType": "literal"},
            "operations": [operation for operation in rule.operations if operation != "Create"],
        }
        for rule in rules
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": f"steno-{name}", "labels": _CLUSTER},
        "spec": {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": acls}},
    }


def users() -> list[dict[str, Any]]:
    """A user each service, those of the systems around Steno, and KEDA's, which only asks how much waits."""
    watched = [
        *(Rule(resource="Topic", name=_PREFIX + name, operations=("Describe",)) for name in ("recordings", "phrases")),
        *(Rule(resource="Group", name=_PREFIX + name, operations=("Describe",)) for name in groups()),
    ]
    of_services = [user(name, access_of(name).rules(_PREFIX)) for name in (*SERVICES, "upstream", "downstream")]
    return [*of_services, user("keda", watched)]


def alerts() -> dict[str, Any]:
    """A PrometheusRule of the alert rules."""
    spec = yaml.safe_load(RULES.read_text("utf-8"))
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "steno"}, "spec": spec}


def _yaml(*documents: dict[str, Any]) -> str:
    return _NOTE + yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=None, width=130, allow_unicode=True)


def manifests() -> dict[str, str]:
    """The text of each file, by its path below this folder."""
    return {
        "components/strimzi/topics.yaml": _yaml(*map(topic, catalogue().values())),
        "components/strimzi/users.yaml": _yaml(*users()),
        "components/monitoring/alerts.yaml": _yaml(alerts()),
    }


def main() -> int:
    """The command; 1 when `--check` finds a file that is not up to date."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would be written")
    check = parser.parse_args().check
    stale = [name for name, text in manifests().items() if not _is(FOLDER / name, text)]
    for name in stale:
        sys.stdout.write(f"{'out of date' if check else 'wrote'}: deploy/kubernetes/{name}\n")
        if not check:
            (FOLDER / name).write_text(manifests()[name], "utf-8")
    if check and stale:
        sys.stderr.write("run `make docs` and commit what it writes\n")
    return int(check and bool(stale))


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
