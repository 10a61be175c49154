"""Webhooks: whether results get out, and whose receiver is slow or down."""

from watching.panels import Board, Panel, per_minute, percentiles

WEBHOOKS = Board(
    name="webhooks",
    title="webhooks",
    means="Whether results get out, and whether receivers are slow or down.",
    panels=(
        Panel(
            question="Is anything overdue?",
            means="For how long the oldest due delivery has waited for a sender. Retries are not due before their time.",
            queries={"overdue": "max(steno_notifier_oldest_due_seconds)"},
            unit="s",
            bad_from=300,
        ),
        Panel(
            question="How many wait for a sender?",
            means="Deliveries that are due. A lasting rise: too few senders, or a database that is slow.",
            queries={"due": "max(steno_notifier_due_deliveries)"},
        ),
        Panel(
            question="How do deliveries end?",
            means="A minute. `failed`: given up after a day; nobody has the result.",
            queries={"{{outcome}}": per_minute("steno_notifier_deliveries_total", by="outcome")},
        ),
        Panel(
            question="What do receivers answer?",
            means="Attempts a minute by answer; `none` where no answer came.",
            queries={"{{answer}}": per_minute("steno_notifier_attempts_total", by="answer")},
        ),
        Panel(
            question="How long do receivers take?",
            means="One attempt.",
            queries=percentiles("steno_notifier_attempt_seconds"),
            unit="s",
        ),
        Panel(
            question="How old are results when they arrive?",
            means="From an event to its receiver's 2xx, over all attempts.",
            queries=percentiles("steno_notifier_latency_seconds"),
            unit="s",
        ),
        Panel(
            question="Which events are there?",
            means="Events taken from Kafka a minute, by type.",
            queries={"{{type}}": per_minute("steno_notifier_events_total", by="type")},
        ),
        Panel(
            question="Is the notifier behind?",
            means="The age of the oldest record that it has not taken, by topic.",
            queries={"{{topic}}": 'max by (topic) (steno_kafka_lag_seconds{group=~".*notifier"})'},
            unit="s",
        ),
        Panel(
            question="Which webhooks were disabled?",
            means="Disabled in the last hour because the receiver answered 410 Gone.",
            queries={"disabled": "sum(increase(steno_notifier_disabled_webhooks_total[1h]))"},
            shows="number",
            bad_from=1,
        ),
    ),
)
