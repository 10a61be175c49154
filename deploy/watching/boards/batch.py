"""Recordings: whether transcribers keep up, how fast they are, and why recordings fail."""

from watching.panels import Board, Panel, per_minute, per_second, percentiles

BATCH = Board(
    name="batch",
    title="recordings",
    means="Whether transcribers keep up with recordings, how fast they are, and why recordings fail.",
    panels=(
        Panel(
            question="Do we keep up?",
            means="The age of the oldest recording that is not transcribed. A rise: too few, or one that hangs.",
            queries={"oldest": 'max(steno_kafka_lag_seconds{topic=~".*recordings", group=~".*transcriber"})'},
            unit="s",
            bad_from=600,
        ),
        Panel(
            question="How many recordings wait?",
            means="Records of the topic recordings that transcribers have not finished.",
            queries={"waiting": 'sum(steno_kafka_lag_records{topic=~".*recordings", group=~".*transcriber"})'},
        ),
        Panel(
            question="How long does a recording take?",
            means="From accepted to ended.",
            queries=percentiles("steno_ingest_seconds_to_end"),
            unit="s",
        ),
        Panel(
            question="How much audio is transcribed in a second?",
            means="Seconds of audio in a second of the clock, by all transcribers.",
            queries={"times real time": per_second("steno_transcriber_audio_seconds_total")},
        ),
        Panel(
            question="How fast is a recording decoded?",
            means="The real-time factor: time to decode over length. Above 1 it is slower than speech.",
            queries=percentiles("steno_transcriber_real_time_factor"),
            bad_from=1,
        ),
        Panel(
            question="Are the engine's threads busy?",
            means="Threads at work in the engine, and batches that wait for one. Few busy: media decoding is what limits.",
            queries={
                "busy": per_second("steno_transcriber_engine_seconds_total"),
                "batches waiting": "sum(steno_transcriber_decode_queue)",
            },
        ),
        Panel(
            question="How many recordings come?",
            means="Accepted a minute, by the door they came in at.",
            queries={"{{door}}": per_minute("steno_ingest_accepted_total", by="door")},
        ),
        Panel(
            question="How do recordings end?",
            means="A minute, by how they ended.",
            queries={"{{state}}": per_minute("steno_transcriber_recordings_total", by="state")},
        ),
        Panel(
            question="Why do recordings fail?",
            means="A minute, by class of the error.",
            queries={"{{error}}": per_minute("steno_transcriber_failures_total", by="error")},
        ),
        Panel(
            question="Are recordings fetched?",
            means="How long an attempt to fetch takes, and attempts a minute that failed and may be made again.",
            queries={
                **percentiles("steno_transcriber_fetch_seconds"),
                "failed a minute": per_minute("steno_transcriber_fetch_failures_total"),
            },
        ),
        Panel(
            question="Does media crash the decoder?",
            means="Decoder processes that died on a recording, a minute: damaged media, or an attack.",
            queries={"deaths": per_minute("steno_transcriber_decoder_deaths_total")},
        ),
        Panel(
            question="How much is uploaded?",
            means="Bytes a second, by door; and files of the watched folder a minute, by outcome.",
            queries={
                "{{door}}, bytes a second": per_second("steno_ingest_uploaded_bytes_total", by="door"),
                "{{outcome}} files a minute": per_minute("steno_ingest_folder_files_total", by="outcome"),
            },
        ),
        Panel(
            question="How do jobs at Azure end?",
            means="Jobs a minute by outcome; and jobs that Azure has not started for long.",
            queries={
                "{{endpoint}} {{outcome}}": per_minute("steno_transcriber_azure_jobs_total", by="endpoint, outcome"),
                "{{endpoint}} not started": "sum by (endpoint) (steno_transcriber_azure_jobs_stalled)",
            },
        ),
        Panel(
            question="What does Azure refuse?",
            means="Answers a minute that are no success: 401 a key, 429 a quota, 5xx its own fault; and its webhook.",
            queries={
                "{{endpoint}} {{status}}": per_minute("steno_transcriber_azure_refusals_total", by="endpoint, status"),
                "webhook {{outcome}}": per_minute("steno_transcriber_azure_webhook_registrations_total", by="outcome"),
                "event {{outcome}}": per_minute("steno_transcriber_azure_webhook_events_total", by="outcome"),
            },
        ),
        Panel(
            question="What does Azure cost?",
            means="Seconds of audio in a minute that Azure recognised, each channel for itself.",
            queries={"{{endpoint}} {{way}}": per_minute("steno_transcriber_azure_audio_seconds_total", by="endpoint, way")},
        ),
    ),
)
