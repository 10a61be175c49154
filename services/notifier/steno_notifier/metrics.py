"""The metrics of the notifier."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("steno_notifier_events", "Events taken from Kafka for the outside, by type.", ["type"])
DELIVERIES = Counter(
    "steno_notifier_deliveries",
    "Deliveries that came to an end, by outcome: delivered, failed. A rise of failed means results that nobody got.",
    ["outcome"],
)
ATTEMPTS = Counter(
    "steno_notifier_attempts", "Attempts made, by what was answered: 2xx to 5xx, or none where no answer came.", ["answer"]
)
ATTEMPT_SECONDS = Histogram(
    "steno_notifier_attempt_seconds", "How long receivers take.", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
)
LATENCY_SECONDS = Histogram(
    "steno_notifier_latency_seconds",
    "From an event to its receiver's 2xx.",
    buckets=(0.03, 0.1, 0.3, 1, 3, 10, 60, 600, 3_600, 21_600, 86_400),
)
DUE = Gauge("steno_notifier_due_deliveries", "Deliveries that are due and wait for a sender. A lasting rise means too few.")
OLDEST_DUE_SECONDS = Gauge("steno_notifier_oldest_due_seconds", "For how long the oldest of them has been due.")
DISABLED = Counter("steno_notifier_disabled_webhooks", "Webhooks disabled because their receiver answered 410 Gone.")
CAPTION_READERS = Gauge("steno_notifier_caption_readers", "Readers of captions that are connected.")

# Shown from the start, at 0: a counter that first shows at 1 has not increased, to Prometheus.
for _outcome in ("delivered", "failed"):
    DELIVERIES.labels(_outcome)
