"""Stores the phrases of live passes. There are many per second, so waiting ones share a transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row as DatabaseRow
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.events.ids import live_pass_id
from steno.events.records import Phrase
from steno.storage.batches import Batches
from steno.storage.transactions import insert_into, transaction
from steno_ingest.calls.ledger.tables import call_phrases
from steno_ingest.nul_characters import refuse_nul, without_nul

_MOST_TOGETHER = 200

_UNCHANGED_FIELDS = {"phrase_id", "channel", "start_ms", "duration_ms", "confidence", "words", "locale", "tenant", "engine"}

Row = dict[str, Any]


class PhraseRows:
    """Stores phrases. Those that come during a transaction are stored by the next one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # PostgreSQL refuses to update a row twice in one statement.
        self._batches = Batches(self._save_all, key=lambda row: row["phrase_id"], most=_MOST_TOGETHER)

    async def save(self, phrase: Phrase) -> None:
        """Stores a phrase; an older revision than the stored one has no effect.

        Raises:
            UnusableId: an id contains a NUL.
            DatabaseUnavailable: it is not saved; try again.
        """
        refuse_nul(phrase, phrase.phrase_id)
        await self._batches.do(_row(phrase))

    async def _save_all(self, rows: Sequence[Row]) -> list[None]:
        statement = insert_into(self._engine, call_phrases)
        updated = {name: statement.excluded[name] for name in ("sequence", "channel", "start_ms", "revision", "content")}
        statement_or_update = statement.on_conflict_do_update(
            index_elements=[call_phrases.c.phrase_id],
            set_=updated,
            where=statement.excluded.revision > call_phrases.c.revision,
        )
        async with transaction(self._engine) as connection:
            # In the same order in every process, to avoid a deadlock.
            await connection.execute(statement_or_update, sorted(rows, key=lambda row: str(row["phrase_id"])))
        return [None] * len(rows)


def phrase_of(row: DatabaseRow[Any]) -> Phrase:
    """Converts a row to a phrase. In rows of earlier versions of Steno the language is missing."""
    about = {
        "call_id": row.call_id,
        "recording_id": live_pass_id(row.call_id),
        "sequence": row.sequence,
        "revision": row.revision,
    }
    return Phrase.model_validate({**row.content, **about})


def _row(phrase: Phrase) -> Row:
    content = phrase.model_dump(mode="json", include=_UNCHANGED_FIELDS)
    return {
        "phrase_id": phrase.phrase_id,
        "call_id": phrase.call_id,
        "sequence": phrase.sequence,
        "channel": phrase.channel,
        "start_ms": phrase.start_ms,
        "revision": phrase.revision,
        "content": {**content, "text": without_nul(phrase.text), "role": phrase.role.value},
    }
