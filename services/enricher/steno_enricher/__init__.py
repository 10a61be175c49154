"""The enricher service: makes insights of phrases, and summaries of calls."""
