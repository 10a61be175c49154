"""The access to Kafka that each service needs, made from the topic catalogue. Pure: no Kafka.

A cluster with access control needs one rule for each entry of `Access.rules`: the ACLs of a broker on this machine, the
manifests for Kubernetes and `docs/topics.md` are made from them. A service needs nothing beyond them:

- It creates its topics at start. Where somebody else creates them, `Create` can be left out.
- Its idempotent producer needs no right of its own: `Write` on any topic implies it (KIP-679, Kafka 2.8).
- No service uses transactions, so there are no transactional ids.
- `Read` and `Write` imply `Describe` (Kafka documentation, "Authorization and ACLs").
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from steno.events.catalogue import Topic, catalogue, groups

OUTSIDE = ("upstream", "downstream", "operator")
"""What the catalogue calls the systems around Steno, and the person who uses its command line."""

Operation = Literal["Read", "Write", "Create", "Describe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Operations that one user is allowed on one topic or consumer group: an ACL with a literal name."""

    resource: Literal["Topic", "Group"]
    #: The full name on the cluster, with the prefix of the installation.
    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What one service does on Kafka, and no more."""

    service: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    #: Names of its consumer groups, without the prefix of the installation.
    groups: tuple[str, ...]

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics that it reads or writes, in the order of the catalogue; it creates those that are missing."""
        return tuple(topic for topic in catalogue().values() if topic in self.reads or topic in self.writes)

    def rules(self, prefix: str) -> tuple[Rule, ...]:
        """Returns the rules that allow it.

        Args:
            prefix: The prefix of topics and groups of the installation (STENO_TOPIC_PREFIX).
        """
        topics = (Rule(resource="Topic", name=prefix + topic.name, operations=self._on(topic)) for topic in self.topics)
        return (
            *topics,
            *(Rule(resource="Group", name=prefix + group, operations=("Read", "Describe")) for group in self.groups),
        )

    def _on(self, topic: Topic) -> tuple[Operation, ...]:
        reads: tuple[Operation, ...] = ("Read",) if topic in self.reads else ()
        writes: tuple[Operation, ...] = ("Write",) if topic in self.writes else ()
        creates: tuple[Operation, ...] = () if self.service in OUTSIDE else ("Create",)
        return (*reads, *writes, *creates, "Describe")


@cache
def access_of(service: str) -> Access:
    """Returns the access of a service, or of `upstream` or `downstream`, whose consumer groups are their own."""
    return Access(
        service=service,
        reads=tuple(topic for topic in catalogue().values() if service in topic.read_by),
        writes=tuple(topic for topic in catalogue().values() if service in topic.written_by),
        groups=tuple(group for group, owner in groups().items() if owner == service),
    )
