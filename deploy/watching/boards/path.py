"""The path of a call: each station from the POST to the webhook, in order, and where one call is."""

from watching.panels import Board, Note, Panel, percentile, percentiles

_LAG = "max(steno_kafka_lag_seconds{{topic=~'.*{topic}', group=~'.*{group}'}})"


def _lag(topic: str, group: str) -> str:
    return _LAG.format(topic=topic, group=group).replace("'", '"')


PATH = Board(
    name="path",
    title="path of a call",
    means="Each station between a call and its webhook, in the order of the call. The first that is slow is the cause.",
    fields={"call_id": "Call"},
    panels=(
        Panel(
            question="1. From the front door to Kafka",
            means="How long accepted records have waited in the outbox.",
            queries={"outbox": "max(steno_ingest_outbox_age_seconds)"},
            unit="s",
        ),
        Panel(
            question="2. Kafka's acknowledgement",
            means="From the send of a record to its acknowledgement by all replicas.",
            queries={"{{topic}}": percentile(0.95, "steno_kafka_produce_seconds", by="topic")},
            unit="s",
        ),
        Panel(
            question="3. Waiting for a transcriber",
            means="The age of the oldest recording, and of the oldest audio of live calls, that is not handled.",
            queries={"recordings": _lag("recordings", "transcriber"), "live": _lag("call-audio", "transcriber-live")},
            unit="s",
        ),
        Panel(
            question="4. Fetching the recording",
            means="One attempt, for recordings that are not read in place.",
            queries=percentiles("steno_transcriber_fetch_seconds"),
            unit="s",
        ),
        Panel(
            question="5. Audio to text, live",
            means="From the end of an utterance to its phrase.",
            queries=percentiles("steno_transcriber_live_final_seconds"),
            unit="s",
        ),
        Panel(
            question="6. Audio to text, recordings",
            means="From accepted to ended, which contains the stations before.",
            queries=percentiles("steno_ingest_seconds_to_end"),
            unit="s",
        ),
        Panel(
            question="7. Waiting for insights",
            means="The age of the oldest phrase that the enricher has not handled, and the time that one phrase takes.",
            queries={
                "waiting": _lag("phrases", "enricher"),
                "one phrase": percentile(0.95, "steno_enricher_analysis_seconds"),
            },
            unit="s",
        ),
        Panel(
            question="8. From the event to its receiver",
            means="From an event to its receiver's 2xx, over all attempts.",
            queries=percentiles("steno_notifier_latency_seconds"),
            unit="s",
        ),
        Panel(
            question="9. The receiver",
            means="How long receivers take to answer one attempt.",
            queries=percentiles("steno_notifier_attempt_seconds"),
            unit="s",
        ),
        Note(
            title="Where is the call ${call_id}?",
            markdown="Fill in the field *Call*. Metrics do not know single calls; these do:\n\n"
            "- the ledger: `GET /v1/calls/${call_id}` (a live call, with its events), `GET /v1/recordings?call_id=${call_id}`\n"
            '- the logs: lines with `"call_id": "${call_id}"`; their `trace_id` is that of the call\n'
            "- its trace: by that id, or by the attribute `messaging.kafka.message.key` of its spans\n"
            "- its webhooks: `GET /v1/deliveries` of the notifier, `?state=failed` for those that nobody got",
        ),
    ),
)
