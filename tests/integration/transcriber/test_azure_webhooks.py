"""Webhooks of Azure's batch API: the emulator registers them, does the challenge and posts signed events to the route."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from steno_transcriber import metrics
from steno_transcriber.azure import followed_job
from steno_transcriber.azure.batch import AzureBatch
from steno_transcriber.azure.client import PAUSES, AzureClient
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.webhook_registration import WebhookRegistration
from steno_transcriber.azure.webhook_route import PATH, webhook_app
from steno_transcriber.azure.wire import Api
from support.azure_world import AzureWorld, at_work, azure_world, eventually, handled
from support.http_server import serving

from steno.retry import RetryPolicy

VERSIONS = ("v3.2", "2024-11-15")
SECRET, NEW_SECRET = "s" * 32, "n" * 32


class Route:
    """The route as a public URL, for one engine after the other."""

    def __init__(self, url: str, secrets: Path) -> None:
        self.settings: dict[str, Any] = {"webhook_url": url, "webhook_secret_file": secrets}
        self.secrets = secrets
        self.wake: Callable[[str], bool] = lambda _job_id: False


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AzureWorld]:
    async with azure_world(tmp_path) as made:
        yield made


@pytest.fixture
async def route(tmp_path: Path) -> AsyncIterator[Route]:
    secrets = tmp_path / "webhook-secrets"
    secrets.write_text(f"{SECRET}\n")
    made = Route("", secrets)
    async with serving(webhook_app(secrets, lambda job_id: made.wake(job_id))) as server:
        made.settings["webhook_url"] = f"http://127.0.0.1:{server.port}{PATH}"
        yield made


@asynccontextmanager
async def registered(world: AzureWorld, route: Route, **settings: Any) -> AsyncIterator[AzureBatch]:
    """An engine at work whose webhook has passed its challenge."""
    engine = world.engine(**route.settings, **settings)
    route.wake = engine.wake
    async with at_work(engine):
        await eventually(lambda: statuses(world) == ["Succeeded"])
        yield engine


@asynccontextmanager
async def registration(world: AzureWorld, route: Route) -> AsyncIterator[WebhookRegistration]:
    """What registers the webhook, by itself."""
    settings = AzureSettings.model_validate(
        {"endpoints": (parse_endpoint(world.urls[0]),), "keys_file": world.folder / "keys", **route.settings}
    )
    (world.folder / "keys").write_text("key-one key-two\n")
    async with httpx.AsyncClient() as http:
        client = AzureClient(http, Credentials(settings, http), Api(settings.api_version), pauses=PAUSES)
        yield WebhookRegistration(settings, client)


def statuses(world: AzureWorld) -> list[str]:
    return [webhook.status for webhook in world.azure.webhooks.registered.values()]


def secrets_of(world: AzureWorld) -> list[str]:
    return [webhook.secret for webhook in world.azure.webhooks.registered.values()]


def requests(world: AzureWorld, method: str) -> int:
    return sum(count for name, count in world.azure.requests.items() if name.startswith(method) and "/webhooks" in name)


def failures(world: AzureWorld) -> float:
    count: float = metrics.AZURE_WEBHOOK_REGISTRATIONS.labels(world.urls[0], "failed")._value.get()
    return count


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_event_brings_the_result_long_before_the_next_poll(world: AzureWorld, route: Route, version: str) -> None:
    """Which would come after 30 s or more."""
    world.azure.faults.ends_after = 1.0
    async with registered(world, route, api_version=version) as engine:
        answer = await handled(engine, world.recording(), seconds=15)
        await eventually(lambda: world.azure.webhooks.answers == [200])
    assert len(answer.finals) == 6


async def test_a_lost_event_is_made_up_for_by_polling(world: AzureWorld, route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the longest pauses, which are short here."""
    monkeypatch.setattr(followed_job, "POLLS", RetryPolicy(first_seconds=0.5, longest_seconds=2.0))
    world.azure.faults.ends_after, world.azure.faults.events_lost = 0.5, True
    async with registered(world, route) as engine:
        answer = await handled(engine, world.recording(), seconds=15)
    assert len(answer.finals) == 6
    assert world.azure.webhooks.answers == []


@pytest.mark.parametrize("status", [400, 403, 404, 429, 503])
async def test_where_no_webhook_can_be_registered_jobs_are_polled(world: AzureWorld, route: Route, status: int) -> None:
    """As often as without one; the failure is counted, and the endpoint is not left alone for it."""
    world.azure.faults.answers = [["/webhooks", 100, status, 60]]
    world.azure.faults.ends_after = 1.0
    engine = world.engine(**route.settings)
    async with at_work(engine):
        await eventually(lambda: failures(world) > 0)
        answer = await handled(engine, world.recording(), seconds=15)
    assert len(answer.finals) == 6
    assert statuses(world) == []


async def test_a_webhook_that_fails_its_challenge_costs_no_result(
    world: AzureWorld, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure posts no events then; polling finds the result."""
    monkeypatch.setattr(followed_job, "POLLS", RetryPolicy(first_seconds=0.5, longest_seconds=2.0))
    engine = world.engine(**{**route.settings, "webhook_url": "http://127.0.0.1:9/azure/webhook"})
    async with at_work(engine):
        await eventually(lambda: statuses(world) == ["Failed"])
        assert len((await handled(engine, world.recording(), seconds=15)).finals) == 6


async def test_a_restart_does_not_register_twice(world: AzureWorld, route: Route) -> None:
    """The webhook that is there is given the secret of this process."""
    async with registered(world, route):
        pass
    route.secrets.write_text(f"{NEW_SECRET}\n{SECRET}\n")
    async with registered(world, route):
        await eventually(lambda: secrets_of(world) == [NEW_SECRET])
    assert world.azure.webhooks.created == 1


async def test_another_installation_has_a_webhook_of_its_own(world: AzureWorld, route: Route) -> None:
    """With another name of its jobs."""
    engines = [world.engine(**route.settings, job_name=name) for name in ("north", "south")]
    async with at_work(engines[0]), at_work(engines[1]):
        await eventually(lambda: statuses(world) == ["Succeeded", "Succeeded"])
    names = {webhook.body["displayName"] for webhook in world.azure.webhooks.registered.values()}
    assert names == {"north webhook", "south webhook"}


async def test_processes_that_register_at_once_end_with_one_webhook(world: AzureWorld, route: Route) -> None:
    """The oldest one stays."""
    async with registration(world, route) as one, registration(world, route) as two, registration(world, route) as three:
        (endpoint,) = map(parse_endpoint, world.urls)
        await asyncio.gather(one.ensure(endpoint), two.ensure(endpoint), three.ensure(endpoint))
        assert all(each.is_registered(endpoint) for each in (one, two, three))
    assert world.azure.webhooks.created > 1, "they did register at once"
    assert len(world.azure.webhooks.registered) == 1
    assert failures(world) == 0


async def test_a_webhook_that_works_is_left_as_it_is(world: AzureWorld, route: Route) -> None:
    """One that Azure has switched off, and one with an old secret, are changed; one that is gone is made again."""
    async with registration(world, route) as made:
        (endpoint,) = map(parse_endpoint, world.urls)
        await made.ensure(endpoint)
        await eventually(lambda: statuses(world) == ["Succeeded"])
        await made.ensure(endpoint)
        assert requests(world, "PATCH") == 0

        (webhook,) = world.azure.webhooks.registered.values()
        webhook.status = "Failed"
        await made.ensure(endpoint)
        await eventually(lambda: statuses(world) == ["Succeeded"])
        assert requests(world, "PATCH") == 1

        route.secrets.write_text(f"{NEW_SECRET}\n")
        await made.ensure(endpoint)
        assert secrets_of(world) == [NEW_SECRET]

        world.azure.webhooks.registered.clear()
        await made.ensure(endpoint)
        assert world.azure.webhooks.created == 2


async def test_an_empty_file_of_secrets_is_a_failure_that_is_counted(world: AzureWorld, route: Route) -> None:
    """Nothing is registered with an empty secret."""
    route.secrets.write_text("short\n")
    async with registration(world, route) as made:
        (endpoint,) = map(parse_endpoint, world.urls)
        await made.ensure(endpoint)
        assert not made.is_registered(endpoint)
    assert (failures(world), statuses(world)) == (1, [])
