"""The metrics of the Kafka kernel, declared in one place: what each is, and what a rise means."""

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter("steno_kafka_records_consumed", "Records done: handled, or put into dead letters.", ["group", "topic"])
FAILED = Counter(
    "steno_kafka_attempts_failed",
    "Attempts at a record that raised; a rise of one class names the dependency or the fault.",
    ["group", "topic", "error_class"],
)
RETRIED = Counter("steno_kafka_retries", "Attempts put off for a back-off.", ["group", "topic"])
DEAD_LETTERS = Counter(
    "steno_kafka_dead_letters",
    "Records put into dead letters; each wants a person's look.",
    ["topic", "error_class"],
)
RECORDS_REFUSED = Counter(
    "steno_kafka_records_refused",
    "Records that Kafka will never take: too large, or not valid; each was set aside, and wants a person's look.",
    ["topic"],
)
PASSED_OVER = Counter(
    "steno_kafka_records_passed_over",
    "Records that are none of their topic, and that another service puts into dead letters or (without a group) nobody does.",
    ["group", "topic", "error_class"],
)
BAD_SHARE = Gauge(
    "steno_kafka_bad_share",
    "Share of a topic's last 1,000 records that were bad in themselves, from 0 to 1; a rise: some publisher is mistaken.",
    ["group", "topic"],
)
HELD = Gauge(
    "steno_kafka_records_held",
    "Records that fail by a fault of ours while none of their kind goes through: kept back, and tried again until one does.",
    ["group", "topic"],
)
IN_FLIGHT = Gauge("steno_kafka_records_in_flight", "Records being handled now.", ["group"])
SLOTS = Gauge("steno_kafka_slots", "Records that may be handled at once.", ["group"])
LAG_RECORDS = Gauge("steno_kafka_lag_records", "Records of a partition that are not done yet.", ["group", "topic", "partition"])
LAG_SECONDS = Gauge(
    "steno_kafka_lag_seconds",
    "Age of the oldest record of a partition that is not done yet; 0 when all are.",
    ["group", "topic", "partition"],
)
OLDEST_UNCOMMITTED = Gauge(
    "steno_kafka_oldest_uncommitted_seconds",
    "How long the oldest record under way has been; one far above the length of a job is held back by retries.",
    ["group"],
)
REBALANCES = Counter(
    "steno_kafka_rebalances", "Times the partitions of this member were taken back to be dealt anew.", ["group"]
)
PRODUCE_SECONDS = Histogram(
    "steno_kafka_produce_seconds",
    "From the send of a record to its acknowledgement by all replicas.",
    ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

KERNEL_METRICS = (
    CONSUMED,
    FAILED,
    RETRIED,
    DEAD_LETTERS,
    RECORDS_REFUSED,
    PASSED_OVER,
    BAD_SHARE,
    HELD,
    IN_FLIGHT,
    SLOTS,
    LAG_RECORDS,
    LAG_SECONDS,
    OLDEST_UNCOMMITTED,
    REBALANCES,
    PRODUCE_SECONDS,
)
"""All of them, for the documentation and for the test that dashboards name only what exists."""
