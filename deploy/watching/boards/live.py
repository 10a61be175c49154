"""Live calls: whether captions come in time, and whether all audio comes in."""

from watching.panels import Board, Panel, per_minute, per_second, percentile, percentiles

LIVE = Board(
    name="live",
    title="live calls",
    means="Whether captions of live calls come in time, and whether their audio is complete.",
    panels=(
        Panel(
            question="How long from spoken to text?",
            means="From the end of an utterance to its phrase on the topic. A rise: more calls than the cores can transcribe.",
            queries={
                **percentiles("steno_transcriber_live_final_seconds"),
                "99 of 100": percentile(0.99, "steno_transcriber_live_final_seconds"),
            },
            unit="s",
            bad_from=5,
        ),
        Panel(
            question="How often do hypotheses come?",
            means="From one hypothesis of an utterance to the next. Above a second, captions stand still while people speak.",
            queries=percentiles("steno_transcriber_live_hypothesis_seconds"),
            unit="s",
            bad_from=2,
        ),
        Panel(
            question="Are the readers of call-audio behind?",
            means="The age of the oldest record of a call that is not handled, by consumer group.",
            queries={"{{group}}": 'max by (group) (steno_kafka_lag_seconds{topic=~".*call-audio"})'},
            unit="s",
            bad_from=30,
        ),
        Panel(
            question="How many calls are open?",
            means="Calls at the doors, calls that transcribers follow, and readers of captions.",
            queries={
                "at the doors": "sum(steno_ingest_calls_hosted)",
                "transcribed": "sum(steno_transcriber_live_open_calls)",
                "caption readers": "sum(steno_notifier_caption_readers)",
            },
        ),
        Panel(
            question="How many calls come, and how do they end?",
            means="Calls a minute by the door they come in at, and by the state that they enter.",
            queries={
                "by {{door}}": per_minute("steno_ingest_calls_accepted_total", by="door"),
                "{{state}}": per_minute("steno_ingest_call_states_total", by="state", having='{state!="active"}'),
            },
        ),
        Panel(
            question="Which calls are refused?",
            means="Offered calls that were refused, a minute. `too_many_calls`: add ingest processes or raise MAX_CALLS.",
            queries={"{{door}} {{reason}}": per_minute("steno_ingest_calls_refused_total", by="door, reason")},
        ),
        Panel(
            question="How do live transcripts end?",
            means="Live transcripts a minute. `failed` has its reason in the events of the call.",
            queries={"{{state}}": per_minute("steno_transcriber_live_calls_total", by="state")},
        ),
        Panel(
            question="Is audio heard as fast as it is spoken?",
            means="Seconds of audio heard in a second, beside open calls. Below them for long: audio waits, or is paused.",
            queries={
                "seconds heard a second": per_second("steno_transcriber_live_audio_seconds_total"),
                "open calls": "sum(steno_transcriber_live_open_calls)",
            },
        ),
        Panel(
            question="How much audio comes in?",
            means="Bytes a second received at the doors, and stored for recordings.",
            queries={
                "{{door}}": per_second("steno_ingest_call_audio_bytes_total", by="door"),
                "stored": per_second("steno_ingest_recorded_bytes_total"),
            },
            unit="Bps",
        ),
        Panel(
            question="Does audio get out of ingest?",
            means="Records of calls that Kafka has not acknowledged. A rise: Kafka is slow or away.",
            queries={"waiting": "sum(steno_ingest_call_records_waiting)"},
        ),
        Panel(
            question="Is audio stored?",
            means="Audio that waits for the object store. A rise: the store is slow or away.",
            queries={"held": "sum(steno_ingest_recorder_held_bytes)"},
            unit="bytes",
        ),
        Panel(
            question="Do calls come faster than they are transcribed?",
            means="Records buffered on disk a minute, and seconds for which peers were held back a minute.",
            queries={
                "records buffered": per_minute("steno_transcriber_live_records_buffered_total"),
                "seconds held back at {{door}}": per_minute("steno_ingest_call_seconds_held_back_total", by="door"),
            },
        ),
        Panel(
            question="What happens to calls?",
            means="Events of calls a minute: gaps, pauses, silent channels, faults.",
            queries={"{{kind}}": per_minute("steno_ingest_call_notes_total", by="kind")},
        ),
        Panel(
            question="Whose messages are faulty?",
            means="Messages of peers that were ignored, and connections closed for a fault of the peer, a minute.",
            queries={
                "{{door}}: {{reason}}": per_minute("steno_ingest_call_messages_unusable_total", by="door, reason"),
                "cut off at {{door}}: {{reason}}": per_minute("steno_ingest_call_peers_cut_off_total", by="door, reason"),
            },
        ),
        Panel(
            question="Which records of calls are lost?",
            means="Records a minute on call-audio that cannot be used, were refused by Kafka, or have no start of their call.",
            queries={
                "unusable: {{reason}}": per_minute("steno_ingest_call_records_unusable_total", by="reason"),
                "refused by Kafka": per_minute("steno_ingest_call_records_refused_total"),
                "do not fit": per_minute("steno_transcriber_live_unusable_records_total"),
                "no start": per_minute("steno_transcriber_live_stray_records_total"),
            },
        ),
        Panel(
            question="How many hypotheses are made, and left out?",
            means="Published a minute; and not sent to peers that read too slowly.",
            queries={
                "published": per_minute("steno_transcriber_live_hypotheses_total"),
                "left out": per_minute("steno_ingest_hypotheses_dropped_total"),
            },
        ),
        Panel(
            question="Is Azure there for live calls?",
            means="Streams open and waiting at Azure; and 1 while it does not answer and another engine stands in.",
            queries={
                "open": "sum(steno_transcriber_azure_streams)",
                "waiting": "sum(steno_transcriber_azure_streams_waiting)",
                "away": "max(steno_transcriber_azure_unavailable)",
            },
        ),
        Panel(
            question="Which streams does Azure end?",
            means="Streams a minute that were lost or throttled; and how often another engine took a call over.",
            queries={
                "lost: {{reason}}": per_minute("steno_transcriber_azure_lost_total", by="reason"),
                "throttled": per_minute("steno_transcriber_azure_throttled_total"),
                "taken over": per_minute("steno_transcriber_azure_standby_sessions_total"),
            },
        ),
    ),
)
