"""The life of the worker, without a broker."""

import asyncio

import pytest
from steno_enricher.faust_app import App
from steno_enricher.worker import Worker
from support.kernel import CODEC

from steno.kafka.dead_letters import DeadLetters
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


async def test_one_that_fails_at_once_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks before the work begins ends `run`, and `stop` returns."""

    def fail(_app: App) -> None:
        raise RuntimeError("no consumer to be had")

    monkeypatch.setattr(App, "done_consumer", property(fail))
    worker = Worker(
        kafka=NOBODY,
        topics=TopicSettings(),
        codec=CODEC,
        dead_letters=DeadLetters(Producer(NOBODY, TopicSettings(), CODEC, source="enricher"), "enricher"),
        instance="0",
        drain_seconds=1,
        stuck_seconds=60,
        sweep_seconds=60,
    )
    with pytest.raises(RuntimeError, match="no consumer"):
        await worker.run()
    async with asyncio.timeout(1):
        await worker.stop()
