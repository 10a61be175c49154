"""The REST API of the notifier: lists, shows and replays deliveries, and streams the captions of live calls."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from steno.events.webhook_events import EventType
from steno.http.auth import ApiKeys
from steno.http.gate import Gate
from steno.http.paging import Cursor, Limit, position
from steno.http.problems import ApiProblem, documented, not_there
from steno.http.rest import RequestCaller, RestApplication
from steno.tenants import Caller
from steno_notifier.caption_routes import add_captions
from steno_notifier.caption_streams import CaptionStreams
from steno_notifier.delivery_queries import DeliveryQueries, Filter, NotReplayable
from steno_notifier.delivery_state import State
from steno_notifier.rates import Rates


class View(BaseModel):
    """The base class of answers that are made of rows."""

    model_config = ConfigDict(from_attributes=True)


class DeliveryView(View):
    """One event for one webhook."""

    delivery_id: str
    event_id: str = Field(description="The `webhook-id` header, the same for every attempt.")
    event_type: EventType = Field(validation_alias="type")
    webhook_id: str
    call_id: str
    recording_id: str
    state: State
    attempts: int = Field(description="Attempts begun so far.")
    due_at: datetime | None = Field(
        description="When it is sent next; while it is being sent, when it is taken for interrupted and sent again."
    )
    reason: str | None = Field(description="Why the last attempt failed, or why it was given up.")
    occurred_at: datetime = Field(description="When what it tells of happened.")
    created_at: datetime
    updated_at: datetime


class AttemptView(View):
    """One attempt at a delivery. A number that is missing was interrupted."""

    number: int
    started_at: datetime
    duration_ms: int
    status_code: int | None = Field(description="None where no HTTP answer came.")
    error: str | None


class DeliveryDetail(DeliveryView):
    """A delivery with its attempts, oldest first."""

    attempt_log: list[AttemptView]


class DeliveryPage(BaseModel):
    """Deliveries, newest first."""

    items: list[DeliveryView]
    next: str | None = Field(description="The cursor of the next page; none after the last.")


class WebhookHealth(View):
    """Whether deliveries are made to a webhook, and how they fare."""

    webhook_id: str
    enabled: bool = Field(description="As registered; deliveries wait while it is false.")
    disabled_at: datetime | None = Field(description="When its receiver answered 410; a change of the webhook lifts it.")
    disabled_reason: str | None
    paused_until: datetime | None = Field(description="Until when its receiver asked to be left alone (Retry-After).")
    deliveries: dict[State, int] = Field(description="How many there are in each state.")


_Id = Annotated[str, Path(max_length=256, pattern=r"^[^\x00]+$")]
_Text = Annotated[str, Query(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]


def create_app(
    deliveries: DeliveryQueries,
    captions: CaptionStreams,
    keys: ApiKeys,
    rates: Rates = Rates(),  # noqa: B008 - nothing is limited
) -> FastAPI:
    """Makes the application, with its OpenAPI document under `/openapi.json` and Swagger UI under `/docs`."""
    app = RestApplication(
        title="Steno notifier",
        version="1",
        description="Webhook deliveries: what was sent, what was answered, and sending it again. Captions of live calls.",
        generate_unique_id_function=lambda route: route.name,
    )
    app.add_middleware(Gate, keys=keys, wrong_keys=rates.wrong_keys, limited=rates.limited, at_once=rates.at_once)
    router = APIRouter(prefix="/v1", responses=documented(401, 422, 503))
    _add_deliveries(router, deliveries)
    add_captions(router, captions)
    app.include_router(router)
    return app


def _add_deliveries(router: APIRouter, ledger: DeliveryQueries) -> None:
    @router.get("/deliveries", responses=documented(404))
    async def list_deliveries(
        caller: RequestCaller,
        webhook_id: _Text | None = None,
        call_id: _Text | None = None,
        recording_id: _Text | None = None,
        state: State | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> DeliveryPage:
        """Deliveries, newest first, page by page."""
        wanted = Filter(webhook_id=webhook_id, call_id=call_id, recording_id=recording_id, state=state)
        page = await ledger.read_page(wanted, caller=caller, after=position(cursor), limit=limit)
        return DeliveryPage(items=[DeliveryView.model_validate(row) for row in page.entries], next=page.next)

    @router.get("/deliveries/{delivery_id}", responses=documented(404))
    async def get_delivery(delivery_id: _Id, caller: RequestCaller) -> DeliveryDetail:
        """A delivery with its attempts."""
        return await _detail(ledger, delivery_id, caller)

    @router.post(
        "/deliveries/{delivery_id}/replay",
        status_code=202,
        responses=documented(404, 409),
    )
    async def replay_delivery(delivery_id: _Id, caller: RequestCaller) -> DeliveryDetail:
        """Sends a delivery again that came to an end, under the same `webhook-id`. 409 where it is on its way, or its webhook
        takes none."""
        try:
            if not await ledger.replay(delivery_id, caller=caller):
                raise not_there(f"there is no delivery {delivery_id}")
        except NotReplayable as error:
            raise ApiProblem(409, "not_replayable", str(error)) from None
        return await _detail(ledger, delivery_id, caller)

    @router.get("/webhooks/{webhook_id}/health", responses=documented(404))
    async def get_webhook_health(webhook_id: _Id, caller: RequestCaller) -> WebhookHealth:
        """Whether deliveries are made to a webhook, and how they fare."""
        found = await ledger.find_webhook(webhook_id, caller=caller)
        if found is None:
            raise not_there(f"there is no webhook {webhook_id}")
        row, counts = found
        return WebhookHealth.model_validate(dict(row._mapping) | {"deliveries": counts})


async def _detail(ledger: DeliveryQueries, delivery_id: str, caller: Caller) -> DeliveryDetail:
    found = await ledger.find(delivery_id, caller=caller)
    if found is None:
        raise not_there(f"there is no delivery {delivery_id}")
    row, made = found
    return DeliveryDetail.model_validate(dict(row._mapping) | {"attempt_log": [_attempt(attempt) for attempt in made]})


def _attempt(row: Row[Any]) -> AttemptView:
    return AttemptView.model_validate(row)
