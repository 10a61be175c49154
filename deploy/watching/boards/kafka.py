"""Kafka as Steno's services see it: lag, retries, dead letters, and the way records take into topics."""

from watching.panels import Board, Panel, per_minute, per_second, percentile

KAFKA = Board(
    name="kafka",
    title="Kafka",
    means="Kafka as Steno's services see it. For the brokers themselves there are dashboards of whoever runs them.",
    panels=(
        Panel(
            question="Who is behind, in seconds?",
            means="The age of the oldest unfinished record, by group and topic.",
            queries={"{{group}} {{topic}}": "max by (group, topic) (steno_kafka_lag_seconds)"},
            unit="s",
        ),
        Panel(
            question="Who is behind, in records?",
            means="Records that are not finished, by group and topic.",
            queries={"{{group}} {{topic}}": "sum by (group, topic) (steno_kafka_lag_records)"},
        ),
        Panel(
            question="How long has the oldest record been in progress?",
            means="Far above the length of a job, it is being retried.",
            queries={"{{group}}": "max by (group) (steno_kafka_oldest_uncommitted_seconds)"},
            unit="s",
        ),
        Panel(
            question="How many records are handled?",
            means="Records finished a second, by group.",
            queries={"{{group}}": per_second("steno_kafka_records_consumed_total", by="group")},
        ),
        Panel(
            question="How full are the consumers?",
            means="The share of places that are in use. At 1 for long with lag, more processes help.",
            queries={
                "{{group}}": "sum by (group) (steno_kafka_records_in_flight) / (sum by (group) (steno_kafka_slots) > 0)",
            },
            unit="percentunit",
        ),
        Panel(
            question="Is Kafka slow?",
            means="From the send of a record to its acknowledgement by all replicas: 99 of 100 are faster.",
            queries={"{{topic}}": percentile(0.99, "steno_kafka_produce_seconds", by="topic")},
            unit="s",
            bad_from=1,
        ),
        Panel(
            question="What fails?",
            means="Attempts a minute that failed, by class of the error, which names the dependency or the fault.",
            queries={"{{group}} {{error_class}}": per_minute("steno_kafka_attempts_failed_total", by="group, error_class")},
        ),
        Panel(
            question="What is retried?",
            means="Attempts a minute that were postponed by a back-off.",
            queries={"{{group}} {{topic}}": per_minute("steno_kafka_retries_total", by="group, topic")},
        ),
        Panel(
            question="What is held back?",
            means="Records kept back and retried: a fault of Steno's, or records of a newer release.",
            queries={"{{group}} {{topic}}": "sum by (group, topic) (steno_kafka_records_held)"},
            bad_from=1,
        ),
        Panel(
            question="How many dead letters are there?",
            means="Records that the topic of dead letters holds.",
            queries={"kept": "max(steno_kafka_dead_letters_kept)"},
        ),
        Panel(
            question="Where do dead letters come from?",
            means="Records sent to dead letters a minute, by topic and class of the error.",
            queries={"{{topic}} {{error_class}}": per_minute("steno_kafka_dead_letters_total", by="topic, error_class")},
        ),
        Panel(
            question="Whose records are bad?",
            means="The share of a topic's last 1,000 records that are unusable by their own content.",
            queries={"{{topic}}": "max by (topic) (steno_kafka_bad_share)"},
            unit="percentunit",
            bad_from=0.25,
        ),
        Panel(
            question="Which records cannot be read?",
            means="Records skipped a minute; another service sends them to dead letters.",
            queries={
                "{{group}} {{topic}}": per_minute("steno_kafka_records_passed_over_total", by="group, topic"),
            },
        ),
        Panel(
            question="What does Kafka refuse?",
            means="Records a minute that Kafka rejected for good; and those that wait for a person in the ledger's database.",
            queries={
                "{{topic}}": per_minute("steno_kafka_records_refused_total", by="topic"),
                "waiting for a person": "max(steno_ingest_outbox_refused)",
            },
        ),
        Panel(
            question="Is the outbox emptied?",
            means="Accepted records that are not on Kafka yet.",
            queries={"records": "max(steno_ingest_outbox_depth)"},
        ),
        Panel(
            question="Do partitions move?",
            means="Rebalances that took partitions away, a minute. Many without a deployment: processes die or hang.",
            queries={"{{group}}": per_minute("steno_kafka_rebalances_total", by="group")},
        ),
        Panel(
            question="What does the enricher make?",
            means="Insights and summaries a minute; phrases that it counted before; passes too large for a summary.",
            queries={
                "insights": per_minute("steno_enricher_insights_total"),
                "summaries": per_minute("steno_enricher_summaries_total"),
                "seen before": per_minute("steno_enricher_phrases_seen_before_total"),
                "overgrown": per_minute("steno_enricher_passes_overgrown_total"),
            },
        ),
        Panel(
            question="Does the enricher's table grow?",
            means="Rows of calls under way; and rows removed a minute: at their end, or because nothing more came.",
            queries={
                "rows": "sum(steno_enricher_rows)",
                "removed: {{state}}": per_minute("steno_enricher_rows_swept_total", by="state"),
                "timed out: {{why}}": per_minute("steno_enricher_calls_timed_out_total", by="why"),
            },
        ),
    ),
)
