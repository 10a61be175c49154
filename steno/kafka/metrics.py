"""The metrics of the Kafka kernel, with their meanings."""

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter("steno_kafka_records_consumed", "Records finished: handled, or sent to dead letters.", ["group", "topic"])
FAILED = Counter(
    "steno_kafka_attempts_failed",
    "Attempts at a record that failed; the class that rises names the dependency or the fault.",
    ["group", "topic", "error_class"],
)
RETRIED = Counter("steno_kafka_retries", "Attempts postponed by a back-off.", ["group", "topic"])
DEAD_LETTERS = Counter(
    "steno_kafka_dead_letters",
    "Records sent to dead letters; look into each one.",
    ["topic", "error_class"],
)
DEAD_LETTERS_KEPT = Gauge(
    "steno_kafka_dead_letters_kept",
    "Records that the topic of dead letters holds now, of all services; ingest counts them each half minute.",
    ["topic"],
)
RECORDS_REFUSED = Counter(
    "steno_kafka_records_refused",
    "Records that Kafka rejected for good, as too large or not valid; look into each one.",
    ["topic"],
)
PASSED_OVER = Counter(
    "steno_kafka_records_passed_over",
    "Records skipped because they cannot be read as records of their topic; another service sends them to dead letters, or, "
    "where `group` is empty, none does.",
    ["group", "topic", "error_class"],
)
BAD_SHARE = Gauge(
    "steno_kafka_bad_share",
    "Share of a topic's last 1,000 records that are unusable by their own content, from 0 to 1; a rise: a publisher is faulty.",
    ["group", "topic"],
)
HELD = Gauge(
    "steno_kafka_records_held",
    "Records kept back and retried: they fail unexpectedly, or a newer release wrote them, and no other of their type on the "
    "topic succeeds.",
    ["group", "topic"],
)
IN_FLIGHT = Gauge("steno_kafka_records_in_flight", "Records being handled now.", ["group"])
SLOTS = Gauge("steno_kafka_slots", "Records that may be handled at once.", ["group"])
LAG_RECORDS = Gauge(
    "steno_kafka_lag_records", "Records of a partition that are not finished yet.", ["group", "topic", "partition"]
)
LAG_SECONDS = Gauge(
    "steno_kafka_lag_seconds",
    "Age of the oldest unfinished record of a partition; 0 if all are finished.",
    ["group", "topic", "partition"],
)
OLDEST_UNCOMMITTED = Gauge(
    "steno_kafka_oldest_uncommitted_seconds",
    "How long the oldest unfinished record has been in progress; far above the length of a job, it is being retried.",
    ["group"],
)
REBALANCES = Counter("steno_kafka_rebalances", "Rebalances that revoked partitions of this consumer.", ["group"])
PRODUCE_SECONDS = Histogram(
    "steno_kafka_produce_seconds",
    "From the send of a record to its acknowledgement by all replicas.",
    ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
