"""Wiring: loads the engines, builds the adapters and the two consumers, for the chassis.

One consumer reads recordings, the other the log of live calls; they share the engines, their threads and the producer. A
process may be set to have only one of them.
"""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import structlog
from starlette.applications import Starlette

from steno.chassis import After, Wiring
from steno.errors import StenoError
from steno.events.access import access_of
from steno.events.catalogue import CALL_AUDIO, CALL_CHECKPOINTS, RECORDINGS
from steno.http.health import Health
from steno.kafka import Cluster, Consumer, LogConsumer, TopicMaker, newest_records
from steno.storage.objects import ObjectStore
from steno_transcriber import engines
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.azure.batch import AzureBatch
from steno_transcriber.azure.client import TIMEOUT
from steno_transcriber.azure.fast import FastTranscription
from steno_transcriber.azure.live import make_live_engine
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.standby import OpenStandby
from steno_transcriber.azure.webhook_route import webhook_app
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines import LocalEngineKind
from steno_transcriber.engines.choice import AudioEngine, Engine, Engines
from steno_transcriber.engines.port import EngineUnavailable, UtteranceEngine
from steno_transcriber.fetch.fetcher import Fetcher, fetching_session
from steno_transcriber.fetch.slots import FetchSlots
from steno_transcriber.job import Transcriber
from steno_transcriber.live.decoding import PoolDecoder
from steno_transcriber.live.hypotheses import HypothesisResources
from steno_transcriber.live.loop_lag import LoopLag
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.transcriber import LiveTranscriber
from steno_transcriber.live.utterance_session import UtteranceSession
from steno_transcriber.models.store import ModelStore
from steno_transcriber.settings import TranscriberSettings
from steno_transcriber.speech_detector import load_detector
from steno_transcriber.steps import CONFIGURED, Steps
from steno_transcriber.thread_priority import lower_priority

log = structlog.get_logger("steno.transcriber")

HOUR_MS = 3_600_000


class EngineNotLoaded(StenoError):
    """The speech engine cannot be loaded; the message says what to do."""

    error_class = "engine_not_loaded"


async def build(settings: TranscriberSettings) -> Wiring:
    """Builds the transcriber. Kafka need not be available.

    Raises:
        EngineNotLoaded, ModelError: an engine or its model is not available.
        StoreNotUsable: the object store's URL or options are not valid.
    """
    async with AsyncExitStack() as resources:
        store = ObjectStore(settings.objects.url, settings.objects.options)
        fetcher, decoders = await _fetcher(settings, store, resources), Decoders()
        resources.push_async_callback(asyncio.to_thread, decoders.close)
        azure = _azure(settings, store, fetcher, decoders) if "azure" in settings.engine else None
        pool = DecodePool(settings.decode_threads)
        resources.push_async_callback(_end, pool)
        azure_live = None
        if azure is not None:
            http = await resources.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False))
            azure_live = _azure_live(
                settings,
                http,
                lambda channels, options: UtteranceSession(
                    loaded, PoolDecoder(loaded, pool), channels=channels, options=options
                ),
            )
        with ThreadPoolExecutor(1, initializer=lower_priority) as loading:  # the engine's own threads have its priority
            loaded = await asyncio.get_running_loop().run_in_executor(loading, _load, settings, azure, azure_live)
        resources.callback(loaded.close)
        if azure_live is not None:
            resources.push_async_callback(azure_live.stop)
        cluster = await Cluster.connect(settings)
        resources.push_async_callback(cluster.producer.stop)
        places = FetchSlots(at_once=settings.decoding_at_once + settings.fetch_ahead, slow=settings.slow_fetches)
        recordings_pool = ThreadPoolExecutor(settings.decoding_at_once, thread_name_prefix="recording")
        resources.push_async_callback(_end, recordings_pool)
        transcriber = Transcriber(
            engines=loaded,
            fetcher=fetcher,
            places=places,
            store=store,
            publisher=cluster.producer,
            decoders=decoders,
            pool=pool,
            recordings_pool=recordings_pool,
            at_once=settings.decoding_at_once,
            max_audio_ms=int(settings.max_audio_hours * HOUR_MS),
            steps=Steps(CONFIGURED),
        )
        recordings = Consumer(
            cluster,
            subscribe=[RECORDINGS],
            handler=transcriber.handle,
            give_up=transcriber.give_up,
            concurrency=places.handlers + (0 if azure is None else settings.azure.max_recordings),
        )
        loop_lag = LoopLag()
        live = _live(cluster, loaded, pool, loop_lag, buffer_folder=settings.temporary_folder)
        # The names are those of readiness, which a probe or a person may look at.
        consumers: dict[str, Consumer | LogConsumer] = {}
        if "recordings" in settings.work:
            consumers["consumer"] = recordings
        if "calls" in settings.work:
            consumers["live"] = live
        topics = TopicMaker(cluster, access_of("transcriber").topics)
        health = Health()
        health.add_readiness("topics", topics.made.is_set, why=lambda: topics.missing)
        health.add_readiness("engine", lambda: True)  # loaded above: without it there is no server to ask
        for name, consumer in consumers.items():
            health.add_readiness(name, consumer.ready)
            health.add_liveness(name, consumer.alive)
            health.add_notice(f"{name}_holds_nothing", consumer.holds_nothing)
        app = _webhook_app(settings, azure)
        wiring = Wiring(
            health=health,
            components=[
                topics,
                places,
                *loaded.recording_engines,
                *(After(topics.made, consumer) for consumer in consumers.values()),
                loop_lag,
            ],
            resources=resources.pop_all(),
        )
        if app is not None:
            wiring.app = app
        return wiring


def _webhook_app(settings: TranscriberSettings, azure: AzureBatch | None) -> Starlette | None:
    """The route for Azure's events, where the settings name its URL."""
    if azure is None or not settings.azure.webhook_url:
        return None
    if settings.azure.webhook_secret_file is None:
        raise EngineNotLoaded("STENO_TRANSCRIBER_AZURE_WEBHOOK_URL needs STENO_TRANSCRIBER_AZURE_WEBHOOK_SECRET_FILE, too")
    return webhook_app(settings.azure.webhook_secret_file, azure.wake)


def _load(settings: TranscriberSettings, azure: AzureBatch | None, azure_live: AzureLiveEngine | None) -> Engines:
    """Loads each engine of the settings, with each of the models if it needs one, and what finds utterances for them."""
    loaded: list[Engine] = []
    for kind in settings.engine:
        if kind == "azure":
            loaded += [half for half in (azure, azure_live) if half is not None]
        else:
            loaded += [_load_one(settings, kind, model) for model in _models(settings, kind)]
    if any(isinstance(engine, UtteranceEngine) for engine in loaded):
        load_detector()  # the first short word would stop all live calls while it loads
    return Engines(loaded)


def _models(settings: TranscriberSettings, kind: LocalEngineKind) -> list[Path | None]:
    return [ModelStore().resolve(model) for model in settings.model] if kind == "whisper" else [None]


def _load_one(settings: TranscriberSettings, kind: LocalEngineKind, model: Path | None) -> AudioEngine:
    try:
        engine = engines.load(kind, model, threads=settings.decode_threads, device=settings.device)
    except EngineUnavailable as error:
        raise EngineNotLoaded(f"the engine {kind} cannot be loaded: {error}") from error
    log.info(
        "engine.loaded",
        engine=engine.info.name,
        model=engine.info.model,
        digest=engine.info.digest,
        threads=settings.decode_threads,
    )
    return engine


def _live(cluster: Cluster, loaded: Engines, pool: DecodePool, loop_lag: LoopLag, *, buffer_folder: Path | None) -> LogConsumer:
    steps = Steps(CONFIGURED)
    resources = LiveResources(
        engines=loaded,
        decoder=PoolDecoder(loaded, pool),
        publisher=cluster.producer,
        hypotheses=HypothesisResources(pool=pool, loop_lag=loop_lag),
        buffer_folder=buffer_folder,
        steps=steps,
    )
    return LogConsumer(
        cluster,
        group="live",
        subscribe=CALL_AUDIO,
        handler=LiveTranscriber(resources, read_checkpoints=partial(newest_records, cluster, CALL_CHECKPOINTS)),
    )


async def _fetcher(settings: TranscriberSettings, store: ObjectStore, resources: AsyncExitStack) -> Fetcher:
    limits = settings.fetch_limits
    session = await resources.enter_async_context(fetching_session(limits, allowed_networks=settings.allowed_networks))
    return Fetcher(
        store=store,
        session=session,
        limits=limits,
        folders=settings.file_folders,
        temporary_folder=settings.temporary_folder,
    )


def _azure(settings: TranscriberSettings, store: ObjectStore, fetcher: Fetcher, decoders: Decoders) -> AzureBatch:
    azure = settings.azure
    if not azure.endpoints:
        raise EngineNotLoaded("the engine azure needs STENO_TRANSCRIBER_AZURE_ENDPOINTS: a region, or https://host")
    make_fast = partial(
        FastTranscription, endpoints=azure.endpoints, fetcher=fetcher, decoders=decoders, seconds=azure.fast_seconds
    )
    return AzureBatch(azure, settings.links, store, make_fast=make_fast if azure.fast_seconds else None)


def _azure_live(settings: TranscriberSettings, http: httpx.AsyncClient, standby: OpenStandby) -> AzureLiveEngine | None:
    try:
        return make_live_engine(settings.azure, http, standby)
    except EngineUnavailable as error:
        # Recordings need it not, and live calls may have another engine.
        log.warning("azure.no_live_calls", reason=str(error))
        return None


async def _end(executor: Executor) -> None:
    """Shuts an executor down: waits for running work, and cancels queued work."""
    await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))
