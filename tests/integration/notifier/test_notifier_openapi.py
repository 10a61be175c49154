"""The served OpenAPI is true: what it calls valid is taken, what it does not is refused, and every answer is as it says."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.api import create_app
from steno_notifier.caption_streams import CaptionStreams, NoSuchCall
from steno_notifier.captions import Cursor
from steno_notifier.delivery_queries import DeliveryQueries
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event
from support.effort import examples
from support.http_server import serving
from support.webhooks import completed, webhook

from steno.crypto import SecretBox
from steno.http.auth import ApiKeys, key_line, make_key
from steno.tenants import Caller

RUN = ("--max-examples", str(examples(4)), "--seed", "1", "--request-timeout", "20", "--warnings", "off", "--no-color")


async def _no_call(_streams: CaptionStreams, call_id: str, _cursor: Cursor | None, _caller: Caller) -> None:
    raise NoSuchCall(call_id)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.effort
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_schemathesis_finds_nothing_in_the_notifier(
    engine: AsyncEngine, no_captions: CaptionStreams, box: SecretBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check of schemathesis, in every phase, against the API as it is served."""
    key = make_key()
    (tmp_path / "keys").write_text(key_line("test", key), "utf-8")
    matcher = WebhookMatcher(engine, retention=timedelta(days=30), now=now, wake=lambda: None)
    await matcher.put_webhook(webhook("w", "http://a/", box))
    for number in range(3):
        event = make_outgoing_event(completed(number), now())
        assert event is not None
        await matcher.add_event(event, traceparent=None)
    monkeypatch.setattr(CaptionStreams, "open", _no_call)
    app = create_app(DeliveryQueries(engine, now=now, wake=lambda: None), no_captions, ApiKeys(tmp_path / "keys"))
    async with serving(app) as served:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "schemathesis",
            "run",
            f"http://127.0.0.1:{served.port}/openapi.json",
            "--header",
            f"X-Api-Key: {key}",
            *RUN,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode("utf-8", "replace")
