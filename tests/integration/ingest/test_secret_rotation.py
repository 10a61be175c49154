"""Secrets of webhooks are rotated with an overlap, over REST, and told to the notifier encrypted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steno_ingest.tables import outbox
from support.ingest import CODEC, Ingest, problem

from steno.events.records import WebhookState


async def told(ingest: Ingest) -> list[tuple[str, str, datetime | None]]:
    """What the notifier is told of the secrets, in order: the one that counts, the one before, and until when."""
    states = [CODEC.decode(row.value) for row in sorted(await ingest.rows(outbox), key=lambda row: row.id)]
    return [
        (
            ingest.box.decrypt(state.encrypted_secret).decode(),
            ingest.box.decrypt(state.previous_encrypted_secret).decode() if state.previous_encrypted_secret else "",
            state.previous_expires_at,
        )
        for state in states
        if isinstance(state, WebhookState)
    ]


async def registered(ingest: Ingest) -> tuple[str, str]:
    """The path of a webhook, and its secret."""
    created = (await ingest.client.post("/v1/webhooks", json={"url": "https://receiver.example/"})).json()
    assert created["previous_secret_until"] is None
    return f"/v1/webhooks/{created['webhook_id']}", created["secret"]


async def test_two_secrets_are_valid_for_a_while(ingest: Ingest) -> None:
    """The new one is shown once, the one before counts for a day unless asked otherwise, and an older one no more."""
    path, first = await registered(ingest)
    second = (await ingest.client.post(f"{path}/rotate")).json()
    given = "whsec_" + "A" * 32
    third = (await ingest.client.post(f"{path}/rotate", json={"secret": given, "overlap_seconds": 3600})).json()
    assert len({first, second["secret"], third["secret"]}) == 3
    assert third["secret"] == given
    until = datetime.fromisoformat(second["previous_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) < timedelta(hours=25)
    read = (await ingest.client.get(path)).json()
    assert "secret" not in read
    assert read["previous_secret_until"] == third["previous_secret_until"]
    assert [entry[:2] for entry in await told(ingest)] == [
        (first, ""),
        (second["secret"], first),
        (given, second["secret"]),
    ]
    assert (await told(ingest))[-1][2] == datetime.fromisoformat(third["previous_secret_until"])


@pytest.mark.parametrize("how", ["rotate", "patch"])
async def test_a_secret_that_has_become_known_is_replaced_at_once(ingest: Ingest, how: str) -> None:
    """Without an overlap, or by a change of the webhook: neither it nor the one before counts any more."""
    path, _ = await registered(ingest)
    await ingest.client.post(f"{path}/rotate")
    new = "whsec_" + "B" * 32
    if how == "rotate":
        answer = await ingest.client.post(f"{path}/rotate", json={"secret": new, "overlap_seconds": 0})
    else:
        answer = await ingest.client.patch(path, json={"secret": new})
    assert (answer.status_code, answer.json()["previous_secret_until"]) == (200, None)
    assert (await told(ingest))[-1] == (new, "", None)


async def test_an_integer_is_one_however_json_writes_it(ingest: Ingest) -> None:
    """60.0 is an integer to JSON Schema."""
    path, _ = await registered(ingest)
    assert (await ingest.client.post(f"{path}/rotate", json={"overlap_seconds": 60.0})).status_code == 200


async def test_what_is_changed_otherwise_leaves_a_rotation_as_it_is(ingest: Ingest) -> None:
    """Both secrets stand until the overlap ends."""
    path, first = await registered(ingest)
    rotated = (await ingest.client.post(f"{path}/rotate")).json()
    await ingest.client.patch(path, json={"enabled": False})
    assert (await told(ingest))[-1][:2] == (rotated["secret"], first)


@pytest.mark.parametrize(
    "body",
    [{"overlap_seconds": value} for value in (-1, 604_801, 1.5, True, "60", None, 10**30)] + [{"secret": "short"}, {"a": 1}],
)
async def test_a_rotation_that_is_not_valid_changes_nothing(ingest: Ingest, body: dict[str, Any]) -> None:
    """The field is named, and the secret stays."""
    path, first = await registered(ingest)
    refused = problem(await ingest.client.post(f"{path}/rotate", json=body), 422)
    assert refused["errors"][0]["where"] == f"body.{next(iter(body))}"
    assert [entry[:2] for entry in await told(ingest)] == [(first, "")]


async def test_only_a_webhook_that_one_sees_is_rotated(ingest: Ingest) -> None:
    """None that there is not, and none of another tenant."""
    path, first = await registered(ingest)
    problem(await ingest.client.post("/v1/webhooks/nobody/rotate"), 404)
    problem(await ingest.client.post(f"{path}/rotate", headers={"X-Api-Key": "steno_test2"}), 404)
    assert [entry[:2] for entry in await told(ingest)] == [(first, "")]
