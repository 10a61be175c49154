"""The metrics of the enricher."""

from prometheus_client import Counter, Gauge, Histogram

INSIGHTS = Counter("steno_enricher_insights", "Insights published.")
SUMMARIES = Counter("steno_enricher_summaries", "Call summaries published.")
SEEN_BEFORE = Counter("steno_enricher_phrases_seen_before", "Phrases that were counted already; some after each restart.")
ANALYSIS_SECONDS = Histogram(
    "steno_enricher_analysis_seconds",
    "Sentiment and key phrases of one phrase.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
)
ROWS = Gauge(
    "steno_enricher_rows",
    "Rows in the table, of passes over calls and of live calls; ever more: transcripts are not completed.",
)
TIMED_OUT = Counter(
    "steno_enricher_calls_timed_out",
    "Live calls whose transcript did not come in time (grace), or of which nothing more came (closed).",
    ["why"],
)
SWEPT = Counter("steno_enricher_rows_swept", "Rows removed from the table, by reason.", ["state"])
OVERGROWN = Counter(
    "steno_enricher_passes_overgrown",
    "Passes over calls that became too large for a summary; their phrases still get insights.",
)
