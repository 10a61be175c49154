"""The gauges of lag: how far a group is behind in a partition, for every kind of consumer."""

from steno.kafka import metrics


def report_lag(group: str, topic: str, partition: int, *, records: int, seconds: float) -> None:
    """Sets the lag of an assigned partition.

    Args:
        topic: Its name on the cluster.
        records: How many records are not finished yet.
        seconds: The age of the oldest of them; 0 if there is none.
    """
    labels = (group, topic, str(partition))
    metrics.LAG_RECORDS.labels(*labels).set(records)
    metrics.LAG_SECONDS.labels(*labels).set(seconds)


def forget_lag(group: str, topic: str, partition: int) -> None:
    """Removes the lag of a partition that was revoked; safe to call where none was reported."""
    for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
        gauge.remove(group, topic, str(partition))
