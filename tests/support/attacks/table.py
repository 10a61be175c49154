"""The table of the attacks."""

from support.attacks import connections, kafka_records, live_calls, recordings, rest, speech_sdk

ATTACKS = (
    *connections.ATTACKS,
    *kafka_records.ATTACKS,
    *live_calls.ATTACKS,
    *recordings.ATTACKS,
    *rest.ATTACKS,
    *speech_sdk.ATTACKS,
)
