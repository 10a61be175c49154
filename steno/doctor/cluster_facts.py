"""What a Kafka cluster says of itself, its topics and its groups. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from steno.events.catalogue import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerDisk:
    """A folder of a broker's log; `total` and `usable` are bytes, None where an older broker does not say them."""

    broker: int
    folder: str
    failed: bool = False
    total: int | None = None
    usable: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionFacts:
    """A partition: ids of its brokers. `leader` is -1 where there is none."""

    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicFacts:
    """A topic of the catalogue on the cluster."""

    topic: Topic
    #: Its name on the cluster.
    name: str
    #: Whether this user may see it; a topic that it may not see may be missing, too.
    visible: bool = True
    #: Empty where the topic is missing.
    partitions: tuple[PartitionFacts, ...] = ()
    #: What this user may do on it; None where an older broker does not say it.
    operations: frozenset[str] | None = None
    #: Its settings; None where this user may not read them.
    config: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A member of a consumer group; `instance` is empty for a dynamic one."""

    member_id: str
    instance: str
    client_id: str
    host: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionLag:
    """How far a group is in a partition. Offsets: `begin` is the first there, `end` the next to be written."""

    topic: str
    partition: int
    committed: int
    begin: int
    end: int
    #: When the record at `committed` was written; None where it was not read.
    oldest: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupFacts:
    """A consumer group of the catalogue."""

    name: str
    service: str
    visible: bool = True
    state: str = "Stable"
    members: tuple[Member, ...] = ()
    #: The members a little later.
    members_later: tuple[Member, ...] = ()
    operations: frozenset[str] | None = None
    lags: tuple[PartitionLag, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterFacts:
    """All that was found out about a cluster."""

    servers: str
    #: Whom the brokers know this client as.
    user: str
    #: The address of each broker that runs, by its id.
    brokers: Mapping[int, str]
    controller: int
    topics: tuple[TopicFacts, ...] = ()
    groups: tuple[GroupFacts, ...] = ()
    disks: tuple[BrokerDisk, ...] = ()
    #: Topics with records from the future, by the clock of this machine.
    from_future: frozenset[str] = frozenset()
    #: Dead letters of the last day; None where they could not be counted.
    dead_letters: int | None = None
