"""The metrics of the transcriber."""

from prometheus_client import Counter, Gauge, Histogram

RECORDINGS = Counter(
    "steno_transcriber_recordings",
    "Recordings by how they ended: completed, no_speech, failed or cancelled.",
    ["state"],
)
FAILURES = Counter(
    "steno_transcriber_failures", "Recordings that failed, by class of the error; a rise names the fault.", ["error"]
)
AUDIO_SECONDS = Counter("steno_transcriber_audio_seconds", "Length of the audio transcribed, channels side by side.")
REAL_TIME_FACTOR = Histogram(
    "steno_transcriber_real_time_factor",
    "Time to decode a recording over the length of its audio; above 1 it is slower than speech.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
DECODE_QUEUE = Gauge(
    "steno_transcriber_decode_queue", "Batches of utterances that wait for a thread; 0 for long means idle threads."
)
ENGINE_SECONDS = Counter("steno_transcriber_engine_seconds", "Time that threads spent in the engine.")
DECODER_DEATHS = Counter(
    "steno_transcriber_decoder_deaths",
    "Decoder processes that crashed, or hung and were killed, on a recording; a rise means damaged media, or an attack.",
)
FETCH_SECONDS = Histogram(
    "steno_transcriber_fetch_seconds",
    "Length of one attempt to fetch a recording that is not read in place.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)
FETCH_FAILURES = Counter("steno_transcriber_fetch_failures", "Attempts to fetch a recording that failed and may be made again.")
LIVE_OPEN_CALLS = Gauge("steno_transcriber_live_open_calls", "Live calls that this process follows.")
LIVE_CALLS = Counter(
    "steno_transcriber_live_calls", "Live calls by how their transcript ended: completed, no_speech or failed.", ["state"]
)
LIVE_AUDIO_SECONDS = Counter("steno_transcriber_live_audio_seconds", "Length of the live audio heard, channels side by side.")
LIVE_FINAL_SECONDS = Histogram(
    "steno_transcriber_live_final_seconds",
    "From the end of an utterance in a live call to its phrase on the topic; a rise means the engine cannot keep up.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)
LIVE_HYPOTHESES = Counter("steno_transcriber_live_hypotheses", "Hypotheses published.")
LIVE_HYPOTHESIS_SECONDS = Histogram(
    "steno_transcriber_live_hypothesis_seconds",
    "From one hypothesis of an utterance to the next, or from its beginning to the first; above 1 captions are starved.",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 5, 15),
)
LIVE_STRAY_RECORDS = Counter(
    "steno_transcriber_live_stray_records", "Records of live calls skipped because the start of the call was not on the log."
)
LIVE_UNUSABLE_RECORDS = Counter(
    "steno_transcriber_live_unusable_records",
    "Records of live calls skipped because they do not fit their call (impossible position, cut sample); many fail it.",
)
LIVE_RECORDS_BUFFERED = Counter(
    "steno_transcriber_live_records_buffered",
    "Records of live calls buffered on disk because they come faster than they can be transcribed; a rise means a flood, or "
    "too few cores.",
)
AZURE_STREAMS = Gauge("steno_transcriber_azure_streams", "Streams that are open at Azure for live calls.")
AZURE_STREAMS_WAITING = Gauge(
    "steno_transcriber_azure_streams_waiting",
    "Streams of live calls that wait because too many are open; above 0 for long means AZURE_STREAMS is too low.",
)
AZURE_THROTTLED = Counter(
    "steno_transcriber_azure_throttled", "Streams that Azure refused because there were too many; a rise means its quota."
)
AZURE_LOST = Counter(
    "steno_transcriber_azure_lost",
    "Streams of live calls that Azure or the network ended before their end, by the SDK's word for the reason.",
    ["reason"],
)
AZURE_UNAVAILABLE = Gauge(
    "steno_transcriber_azure_unavailable",
    "1 while Azure does not answer and live calls go to another engine, AZURE_FALLBACK_SECONDS.",
)
AZURE_STANDBY_SESSIONS = Counter(
    "steno_transcriber_azure_standby_sessions", "How often another engine has begun with a live call, or gone on with it."
)
AZURE_AUDIO_SECONDS = Counter(
    "steno_transcriber_azure_audio_seconds",
    "Audio that Azure has recognised, each channel for itself, by endpoint and by way (batch, fast, live): what it costs.",
    ["endpoint", "way"],
)
AZURE_JOBS = Counter(
    "steno_transcriber_azure_jobs",
    "Jobs at Azure by how they ended: succeeded, failed, gone (deleted by another), given_up, duplicate (found twice).",
    ["endpoint", "outcome"],
)
AZURE_JOBS_STALLED = Gauge(
    "steno_transcriber_azure_jobs_stalled",
    "Jobs that Azure has not started for longer than STENO_TRANSCRIBER_AZURE_NOT_STARTED_SECONDS; they are waited for.",
    ["endpoint"],
)
AZURE_REFUSALS = Counter(
    "steno_transcriber_azure_refusals",
    "Answers of Azure that are no success, by status: 401 a key, 429 a quota, 5xx a fault of its own.",
    ["endpoint", "status"],
)
AZURE_WEBHOOK_REGISTRATIONS = Counter(
    "steno_transcriber_azure_webhook_registrations",
    "Registrations of the webhook at Azure by outcome: created, updated, failed (jobs are asked for as without one).",
    ["endpoint", "outcome"],
)
AZURE_WEBHOOK_EVENTS = Counter(
    "steno_transcriber_azure_webhook_events",
    "Requests to the webhook by what they were: challenge, followed (a job of this process), not_followed, other (no "
    "completion), refused (a wrong signature), unreadable.",
    ["outcome"],
)

# Shown from the start, at 0: a counter that first shows at 1 has not increased, to Prometheus.
for _state in ("completed", "no_speech", "failed", "cancelled"):
    RECORDINGS.labels(_state)
for _state in ("completed", "no_speech", "failed"):
    LIVE_CALLS.labels(_state)
