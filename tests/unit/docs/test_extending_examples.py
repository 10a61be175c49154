"""The examples of `docs/extending.md` for tables, records and insights work as it says."""

import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from extending.rule_record import RULES, SCHEMA, RuleChanged, rule
from extending.talking_speed import words_per_minute
from extending.tenant_webhooks import TenantWebhooks
from fastavro import schemaless_reader, schemaless_writer
from support.kernel import cluster_without_broker

from steno.events.records import Phrase, WebhookState
from steno.events.schemas import parse
from steno.kafka import FollowedTable, MemoryRows

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def webhook(webhook_id: str, *, tenant: str, enabled: bool = True) -> WebhookState:
    return WebhookState(
        webhook_id=webhook_id,
        url="http://a/",
        enabled=enabled,
        tenant=tenant,
        created_at=AT,
        updated_at=AT,
        encrypted_secret=b"s",
    )


async def test_a_followed_table_answers_from_its_rows() -> None:
    """Of each key the newest record counts, and a deleted one no more."""
    webhooks = TenantWebhooks(cluster_without_broker())
    for record in (webhook("a", tenant="acme"), webhook("b", tenant="acme"), webhook("c", tenant="other")):
        await webhooks.rows.put(record.webhook_id, record)
    assert webhooks.count("acme") == 2
    await webhooks.rows.put("a", webhook("a", tenant="acme", enabled=False))
    await webhooks.rows.delete("c")
    assert [webhooks.count(tenant) for tenant in ("acme", "other")] == [1, 0]


def test_a_record_its_schema_and_its_topic_say_the_same() -> None:
    """What is written with the schema is read as the record; the key is its own, and its topic can be followed as a table."""
    record, schema = rule("r1", "refund", "cancel", at=AT), parse(SCHEMA)
    buffer = BytesIO()
    schemaless_writer(buffer, schema, record.model_dump())
    buffer.seek(0)
    assert RuleChanged.model_validate(schemaless_reader(buffer, schema, schema)) == record
    assert [field["name"] for field in SCHEMA["fields"]] == list(RuleChanged.model_fields)
    assert RULES.key_of(record) == "r1"
    FollowedTable(cluster_without_broker(), RULES, MemoryRows[RuleChanged](), record=RuleChanged)


@pytest.mark.parametrize(
    ("text", "duration_ms", "speed"), [("one two three", 1500, 120.0), ("one", 999, None), ("", 2000, 0.0)]
)
def test_an_insight_is_a_function_of_its_phrase(text: str, duration_ms: int, speed: float | None) -> None:
    """The same phrase gives the same, so that a replay writes the same insight."""
    phrase = Phrase(
        call_id="c",
        recording_id="r",
        phrase_id="p",
        sequence=0,
        channel=0,
        start_ms=0,
        duration_ms=duration_ms,
        text=text,
        confidence=1,
    )
    assert words_per_minute(phrase) == speed


def test_every_file_that_the_guide_names_is_there() -> None:
    """A link that leads nowhere would be worse than none."""
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "extending.md").read_text("utf-8"))
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / "docs" / link).exists()] == []
