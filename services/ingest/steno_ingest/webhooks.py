"""Stores webhooks, with encrypted secrets, and publishes them to the notifier on the compacted topic `webhooks`."""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.crypto import SecretBox
from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.paging import Page, Position
from steno.storage.lists import read_page, seen_by
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_ingest.errors import NotThere
from steno_ingest.outbox import Outbox, now
from steno_ingest.tables import webhooks

log = structlog.get_logger("steno.ingest.webhooks")

_PREFIX = "whsec_"
_BASE64 = "[A-Za-z0-9+/]"
#: A signing secret of Standard Webhooks: 24 to 64 bytes in base64.
SECRET_PATTERN = f"^{_PREFIX}({_BASE64}{{4}}){{8,20}}({_BASE64}{{4}}({_BASE64}{{2}}==)?|{_BASE64}{{3}}=|{_BASE64}{{2}}==)?$"


def make_secret() -> str:
    """Makes a new signing secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class NewWebhook:
    """The data of a new webhook."""

    url: str
    #: The event types; empty for all.
    events: tuple[str, ...]
    secret: str
    enabled: bool


class Webhooks:
    """The webhooks in the database. A row has the same fields as the published record; its secret is encrypted."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox, box: SecretBox, *, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._outbox = outbox
        self._box = box
        self._clock = clock

    async def register(self, new: NewWebhook, *, caller: Caller) -> WebhookState:
        """Stores a new webhook and publishes it."""
        webhook_id, at = str(uuid4()), self._clock()
        async with transaction(self._engine) as connection:
            await connection.execute(
                webhooks.insert().values(
                    webhook_id=webhook_id,
                    url=new.url,
                    events=list(new.events),
                    encrypted_secret=self._box.encrypt(new.secret.encode()),
                    enabled=new.enabled,
                    created_at=at,
                    updated_at=at,
                    tenant=caller.tenant,
                )
            )
            webhook = await self._publish(connection, webhook_id, caller)
        self._outbox.wake()
        log.info("webhook.registered", webhook_id=webhook_id)
        return webhook

    async def change(self, webhook_id: str, changes: Mapping[str, Any], *, caller: Caller) -> WebhookState:
        """Changes `url`, `events`, `enabled` or `secret` of a webhook and publishes it. Raises `NotThere`."""
        values = dict(changes)
        if "secret" in values:
            values["encrypted_secret"] = self._box.encrypt(values.pop("secret").encode())
            # The previous secret ends immediately, since it may have been leaked.
            values |= {"previous_encrypted_secret": None, "previous_expires_at": None}
        async with transaction(self._engine) as connection:
            mine = seen_by(caller, webhooks.c.tenant)
            change = update(webhooks).where(webhooks.c.webhook_id == webhook_id, mine)
            await connection.execute(change.values(**values, updated_at=self._clock()))
            webhook = await self._publish(connection, webhook_id, caller)
        self._outbox.wake()
        return webhook

    async def rotate(self, webhook_id: str, secret: str, *, overlap: timedelta, caller: Caller) -> WebhookState:
        """Replaces the secret of a webhook; the previous one signs too for a while, an even older one does not.

        Raises:
            NotThere: there is no such webhook.
        """
        at = self._clock()
        async with transaction(self._engine) as connection:
            # The lock makes the second of two simultaneous rotations keep the secret of the first as the previous one.
            before = await _one(connection, webhook_id, caller, locked=True)
            await connection.execute(
                update(webhooks)
                .where(webhooks.c.webhook_id == webhook_id)
                .values(
                    encrypted_secret=self._box.encrypt(secret.encode()),
                    previous_encrypted_secret=before.encrypted_secret if overlap else None,
                    previous_expires_at=at + overlap if overlap else None,
                    updated_at=at,
                )
            )
            webhook = await self._publish(connection, webhook_id, caller)
        self._outbox.wake()
        log.info("webhook.secret_rotated", webhook_id=webhook_id, overlap_seconds=overlap.total_seconds())
        return webhook

    async def delete(self, webhook_id: str, *, caller: Caller) -> None:
        """Deletes a webhook and publishes that. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            mine = seen_by(caller, webhooks.c.tenant)
            result = await connection.execute(delete(webhooks).where(webhooks.c.webhook_id == webhook_id, mine))
            if result.rowcount == 0:
                raise _not_there(webhook_id)
            await self._outbox.add_tombstone(connection, WEBHOOKS, webhook_id)
        self._outbox.wake()
        log.info("webhook.deleted", webhook_id=webhook_id)

    async def webhook(self, webhook_id: str, *, caller: Caller) -> WebhookState:
        """Returns a webhook that a caller sees. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            return await _one(connection, webhook_id, caller)

    async def page(self, *, caller: Caller, after: Position | None, limit: int) -> Page[WebhookState]:
        """Returns a page of webhooks that a caller sees, oldest first, after a position."""
        query = select(webhooks).where(seen_by(caller, webhooks.c.tenant))
        at, id = webhooks.c.created_at, webhooks.c.webhook_id
        async with transaction(self._engine) as connection:
            page = await read_page(connection, query, at=at, id=id, after=after, limit=limit, newest_first=False)
        return page.map(_state_of)

    async def _publish(self, connection: AsyncConnection, webhook_id: str, caller: Caller) -> WebhookState:
        webhook = await _one(connection, webhook_id, caller)
        await self._outbox.add(connection, WEBHOOKS, webhook)
        return webhook


async def _one(connection: AsyncConnection, webhook_id: str, caller: Caller, *, locked: bool = False) -> WebhookState:
    query = select(webhooks).where(webhooks.c.webhook_id == webhook_id, seen_by(caller, webhooks.c.tenant))
    row = (await connection.execute(query.with_for_update() if locked else query)).one_or_none()
    if row is None:
        raise _not_there(webhook_id)
    return _state_of(row)


def _state_of(row: Row[Any]) -> WebhookState:
    kept = row._mapping
    return WebhookState.model_validate({**kept, "previous_encrypted_secret": kept["previous_encrypted_secret"] or b""})


def _not_there(webhook_id: str) -> NotThere:
    return NotThere(f"there is no webhook {webhook_id}; GET /v1/webhooks lists all webhooks")
