"""Saves the phrases of live passes as rows. There are many a second, so those that wait are saved in one transaction."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row as DatabaseRow
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.errors import Retryable
from steno.events.ids import live_pass_id
from steno.events.records import Phrase
from steno.storage.transactions import insert_into, transaction
from steno_ingest.calls.ledger.tables import call_phrases
from steno_ingest.nul_characters import refuse_nul, without_nul

_TOGETHER = 200

_AS_THEY_ARE = {"phrase_id", "channel", "start_ms", "duration_ms", "confidence", "words", "locale", "tenant"}

Row = dict[str, Any]
Waiting = tuple[Row, "asyncio.Future[None]"]


class PhraseRows:
    """Saves phrases. Those that come during one transaction are saved by the next."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def save(self, phrase: Phrase) -> None:
        """Saves a phrase; an older revision than the saved one changes nothing.

        Raises:
            UnusableId: its ids have a NUL in them.
            DatabaseUnavailable: it is not saved; try again.
        """
        refuse_nul(phrase, phrase.phrase_id)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((_row(phrase), kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        try:
            while self._waiting:
                together = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
                outcome = await self._attempt([row for row, _ in together])
                if outcome is None or isinstance(outcome, Retryable) or len(together) == 1:
                    for _, kept in together:
                        _settle(kept, outcome)
                else:
                    # One of them is at fault, and the others are not to suffer for it.
                    for row, kept in together:
                        _settle(kept, await self._attempt([row]))
        finally:
            self._writing = None

    async def _attempt(self, rows: Sequence[Row]) -> Exception | None:
        # Of one phrase the newest revision: PostgreSQL does not touch a row twice in one statement.
        newest: dict[str, Row] = {}
        for row in sorted(rows, key=lambda row: int(row["revision"])):
            newest[row["phrase_id"]] = row
        statement = insert_into(self._engine, call_phrases)
        updated = {name: statement.excluded[name] for name in ("sequence", "channel", "start_ms", "revision", "content")}
        statement_or_update = statement.on_conflict_do_update(
            index_elements=[call_phrases.c.phrase_id],
            set_=updated,
            where=statement.excluded.revision > call_phrases.c.revision,
        )
        try:
            async with transaction(self._engine) as connection:
                # Rows in one order in every process: two that keep the same phrases do not wait for each other in a circle.
                await connection.execute(statement_or_update, [newest[name] for name in sorted(newest)])
        except Exception as error:  # noqa: BLE001 - handed to those who wait for it
            return error
        return None


def _settle(kept: "asyncio.Future[None]", outcome: Exception | None) -> None:
    if kept.done():
        return
    if outcome is None:
        kept.set_result(None)
    else:
        kept.set_exception(outcome)


def phrase_of(row: DatabaseRow[Any]) -> Phrase:
    """The phrase that a row keeps. Of one that an earlier version kept, the language is not known."""
    about = {
        "call_id": row.call_id,
        "recording_id": live_pass_id(row.call_id),
        "sequence": row.sequence,
        "revision": row.revision,
    }
    return Phrase.model_validate({**row.content, **about})


def _row(phrase: Phrase) -> Row:
    content = phrase.model_dump(mode="json", include=_AS_THEY_ARE)
    return {
        "phrase_id": phrase.phrase_id,
        "call_id": phrase.call_id,
        "sequence": phrase.sequence,
        "channel": phrase.channel,
        "start_ms": phrase.start_ms,
        "revision": phrase.revision,
        "content": {**content, "text": without_nul(phrase.text), "role": phrase.role.value},
    }
