"""The routes of `/v1/webhooks`, where clients register the URLs that receive events."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StrictBool

from steno.events.records import WebhookState
from steno.events.webhook_events import EventType
from steno.http.paging import Cursor, Limit, position
from steno.http.problems import documented
from steno.http.rest import RequestCaller
from steno_ingest.outbox import now
from steno_ingest.rest.models import Answer, Identifier
from steno_ingest.urls import url_pattern
from steno_ingest.webhooks import SECRET_PATTERN, NewWebhook, Webhooks, make_secret

WebhookId = Annotated[Identifier, Path(description="The webhook.")]


def _signing_secret(secret: SecretStr) -> SecretStr:
    if re.fullmatch(SECRET_PATTERN, secret.get_secret_value()) is None:
        raise ValueError("must be whsec_ and 24 to 64 bytes in base64; omit it to get a generated one")
    return secret


Url = Annotated[
    str, Field(max_length=2048, pattern=url_pattern("https?"), description="The http(s) URL to which events are POSTed.")
]
Events = Annotated[
    list[EventType],
    Field(max_length=16, description="The event types; empty for all but phrase.final, including future ones."),
]
Secret = Annotated[
    SecretStr,
    Field(
        json_schema_extra={"pattern": SECRET_PATTERN},
        description="Signs the events (Standard Webhooks).",
    ),
    AfterValidator(_signing_secret),
]


class WebhookRequest(BaseModel):
    """The request to register a webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url
    events: Events = []
    enabled: StrictBool = Field(default=True, description="Whether events are delivered.")
    secret: Secret | None = Field(default=None, description="Generated if omitted.")


class WebhookChange(BaseModel):
    """The request to change a webhook; omitted fields are unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = ""
    events: Events = []
    enabled: StrictBool = True
    secret: Secret = SecretStr("")


class WebhookAnswer(Answer):
    """A webhook, without its secret."""

    webhook_id: str
    tenant: str | None = Field(
        description="The tenant it belongs to, whose events it receives; null: no tenant, and it receives all events."
    )
    url: str
    events: list[str]
    enabled: bool
    created_at: datetime
    updated_at: datetime
    previous_secret_until: datetime | None = Field(
        description="Until when the previous secret signs too; null if there is none or it has expired."
    )


class CreatedWebhook(WebhookAnswer):
    """A webhook with its secret."""

    secret: str = Field(description="Verifies the signatures. It is shown only in this response.")


def _whole(value: object) -> object:
    # In JSON Schema 60.0 is an integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


class RotateRequest(BaseModel):
    """The request to replace a webhook's secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: Secret | None = Field(default=None, description="The new secret; generated if omitted.")
    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=7 * 86_400), BeforeValidator(_whole)] = Field(
        default=86_400,
        description="How long the previous secret signs too: every delivery then has both signatures, the new one first. "
        "Use 0 if the previous secret was leaked.",
    )


class WebhookPage(Answer):
    """Webhooks, the oldest first."""

    items: list[WebhookAnswer]
    next: str | None = Field(description="The cursor of the next page; none after the last.")


def routes(webhooks: Webhooks) -> APIRouter:
    """Makes the routes."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

    @router.post(
        "",
        status_code=201,
        summary="Register a webhook",
        responses={
            201: {"headers": {"Location": {"description": "The webhook.", "schema": {"type": "string"}}}},
            **documented(400, 401, 422, 503),
        },
    )
    async def post_webhook(request: WebhookRequest, response: Response, caller: RequestCaller) -> CreatedWebhook:
        """Registers a webhook. Only this response contains its signing secret."""
        secret = make_secret() if request.secret is None else request.secret.get_secret_value()
        webhook = await webhooks.register(
            NewWebhook(url=request.url, events=_unique(request.events), secret=secret, enabled=request.enabled),
            caller=caller,
        )
        response.headers["Location"] = f"/v1/webhooks/{webhook.webhook_id}"
        return CreatedWebhook(**_answer(webhook).model_dump(), secret=secret)

    @router.get("", summary="List webhooks", responses=documented(401, 404, 422, 503))
    async def get_webhooks(caller: RequestCaller, cursor: Cursor = None, limit: Limit = 50) -> WebhookPage:
        """Lists webhooks, oldest first."""
        page = await webhooks.page(caller=caller, after=position(cursor), limit=limit)
        return WebhookPage(items=[_answer(webhook) for webhook in page.entries], next=page.next)

    @router.get("/{webhook_id}", summary="Read a webhook", responses=documented(401, 404, 422, 503))
    async def get_webhook(webhook_id: WebhookId, caller: RequestCaller) -> WebhookAnswer:
        """Returns a webhook."""
        return _answer(await webhooks.webhook(webhook_id, caller=caller))

    @router.patch("/{webhook_id}", summary="Change a webhook", responses=documented(400, 401, 404, 422, 503))
    async def patch_webhook(webhook_id: WebhookId, change: WebhookChange, caller: RequestCaller) -> WebhookAnswer:
        """Changes the given fields of a webhook."""
        changes: dict[str, Any] = {name: getattr(change, name) for name in change.model_fields_set}
        if "events" in changes:
            changes["events"] = list(_unique(change.events))
        if "secret" in changes:
            changes["secret"] = change.secret.get_secret_value()
        return _answer(await webhooks.change(webhook_id, changes, caller=caller))

    @router.post("/{webhook_id}/rotate", summary="Replace a webhook's secret", responses=documented(400, 401, 404, 422, 503))
    async def rotate_secret(
        webhook_id: WebhookId, caller: RequestCaller, request: RotateRequest | None = None
    ) -> CreatedWebhook:
        """Replaces the secret of a webhook. The previous one signs too for a while, so that receivers can switch without a gap.
        At most two secrets sign: an even older one ends immediately. Only this response contains the new secret."""
        request = request or RotateRequest()
        secret = make_secret() if request.secret is None else request.secret.get_secret_value()
        overlap = timedelta(seconds=request.overlap_seconds)
        webhook = await webhooks.rotate(webhook_id, secret, overlap=overlap, caller=caller)
        return CreatedWebhook(**_answer(webhook).model_dump(), secret=secret)

    @router.delete("/{webhook_id}", status_code=204, summary="Delete a webhook", responses=documented(401, 404, 422, 503))
    async def delete_webhook(webhook_id: WebhookId, caller: RequestCaller) -> None:
        """Deletes a webhook, which ends its deliveries."""
        await webhooks.delete(webhook_id, caller=caller)

    return router


def _unique(events: list[EventType]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event.value for event in events))


def _answer(webhook: WebhookState) -> WebhookAnswer:
    until = webhook.previous_expires_at
    return WebhookAnswer(
        webhook_id=webhook.webhook_id,
        tenant=webhook.tenant or None,
        url=webhook.url,
        events=list(webhook.events),
        enabled=webhook.enabled,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
        previous_secret_until=until if until is not None and until > now() else None,
    )
