"""What stands before every route: the key first, then the body, within bounds."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message

from steno.http.auth import ApiKeys, key_line
from steno.http.gate import MAX_BODY_BYTES, Gate, Limited, Streamed
from steno.http.rates import Rate

KEY = "steno_key"
_FORM = "multipart/form-data; boundary=x"


class _Client:
    """Sends a body in pieces, and says how much of it was asked for."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.asked = 0

    async def request(
        self,
        method: str,
        path: str,
        *pieces: bytes,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
        client: str = "192.0.2.1",
        state: dict[str, Any] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        sent: list[Message] = []
        waiting = list(pieces)
        all_headers = {**({"x-api-key": key} if key else {}), **(headers or {})}
        if pieces and "content-length" not in all_headers:
            all_headers["transfer-encoding"] = "chunked"

        async def receive() -> Message:
            self.asked += 1
            if not pieces or not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: Message) -> None:
            sent.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
            "client": (client, 1),
            "server": ("a", 80),
            "scheme": "http",
            "http_version": "1.1",
            "state": {} if state is None else state,
        }
        self.asked = 0
        await self._app(scope, receive, send)
        if not sent:
            return 0, {}, None
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message["body"] for message in sent[1:])
        return sent[0]["status"], answered, json.loads(body) if "json" in answered.get("content-type", "") else body


async def _whole(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body()), "caller": request.state.caller.name})


async def _streamed(request: Request) -> Response:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return JSONResponse({"bytes": count})


async def _deaf(_request: Request) -> Response:
    return Response(status_code=204)


@pytest.fixture
def client(tmp_path: Path) -> _Client:
    """A client of a service with a route that reads, one that streams and one that reads nothing."""
    (tmp_path / "keys").write_text(key_line("crm", KEY) + key_line("crm", KEY + "2", tenant="other"))
    app = Starlette(
        routes=[
            Route("/whole", _whole, methods=["GET", "POST"]),
            Route("/upload", _streamed, methods=["POST"]),
            Route("/deaf", _deaf, methods=["POST"]),
            Route("/costly", _deaf, methods=["POST"]),
            Route("/health/live", _deaf, methods=["GET", "POST"]),
        ]
    )
    costly = Limited(what="costly", method="POST", path=re.compile("/costly"), rate=Rate(2, now=lambda: 0.0))
    return _Client(
        Gate(
            app,
            keys=ApiKeys(tmp_path / "keys"),
            wrong_keys=Rate(3, now=lambda: 0.0),
            streamed=[Streamed(method="POST", path="/upload", max_bytes=3 * MAX_BODY_BYTES)],
            limited=[costly],
        )
    )


@pytest.mark.parametrize("path", ["/whole", "/upload", "/nowhere", "/health/live/", "/docs/x", "//docs", "/metrics/.."])
@pytest.mark.parametrize("key", [None, "steno_wrong", "", "b\u00e9"])
async def test_without_a_key_nothing_is_read(client: _Client, path: str, key: str | None) -> None:
    """Whatever is wrong with a body, a request without a key is a 401 before any of it is asked for, and the last there."""
    headers = {"content-type": "application/json"} if key is None else {"authorization": f"Bearer {key}"}
    status, answered, problem = await client.request("POST", path, b"{not json", b"x" * 100, key=None, headers=headers)
    assert status == problem["status"] == 401
    assert client.asked == 0
    assert answered["connection"] == "close"
    assert answered["content-type"] == "application/problem+json"
    assert answered["www-authenticate"].startswith("Bearer")


async def test_what_is_open_by_intent_needs_no_key(client: _Client) -> None:
    """Probes are answered without a key, and bodies that come with them are not read."""
    assert (await client.request("GET", "/health/live", key=None))[0] == 204
    status, answered, _ = await client.request("POST", "/health/live", b"x" * 100, b"y", key=None)
    assert (status, answered["connection"], client.asked) == (204, "close", 0)


async def test_a_body_is_read_whole_and_handed_on(client: _Client) -> None:
    """The route reads what came, in one piece, and knows whose key it was."""
    assert await client.request("POST", "/whole", b'{"a":', b"1}") == (200, *_json({"bytes": 7, "caller": "crm"}))
    assert await client.request("POST", "/whole", b"{}", headers={"content-length": "2"}) == (
        200,
        *_json({"bytes": 2, "caller": "crm"}),
    )
    assert (await client.request("GET", "/whole"))[2] == {"bytes": 0, "caller": "crm"}


def _json(document: Any) -> tuple[dict[str, str], Any]:
    length = str(len(json.dumps(document, separators=(",", ":"))))
    return {"content-length": length, "content-type": "application/json"}, document


async def test_a_body_that_says_it_is_too_large_is_not_read(client: _Client) -> None:
    """413 by Content-Length alone, for routes that stream too."""
    for path, most, kind in [("/whole", MAX_BODY_BYTES, "application/json"), ("/upload", 3 * MAX_BODY_BYTES, _FORM)]:
        headers = {"content-length": str(most + 1), "content-type": kind}
        status, answered, problem = await client.request("POST", path, b"x", headers=headers)
        assert (status, problem["type"], answered["connection"]) == (413, "urn:steno:problem:too_large", "close")
        assert client.asked == 0


async def test_a_chunked_body_is_counted(client: _Client) -> None:
    """Without a length the bytes are counted, and reading ends behind the bound."""
    piece = b"x" * (MAX_BODY_BYTES // 2)
    status, answered, problem = await client.request("POST", "/whole", *[piece] * 100)
    assert (status, problem["status"], answered["connection"], client.asked) == (413, 413, "close", 3)
    status, answered, _ = await client.request("POST", "/upload", *[piece] * 100, headers={"content-type": _FORM})
    assert (status, answered["connection"], client.asked) == (413, "close", 7)
    status, _, body = await client.request("POST", "/upload", *[piece] * 6, headers={"content-type": _FORM})
    assert (status, body["bytes"]) == (200, 3 * MAX_BODY_BYTES)


async def test_only_uploads_are_streamed(client: _Client) -> None:
    """JSON for a route that takes uploads has the bound of JSON."""
    headers = {"content-type": "application/json", "content-length": str(MAX_BODY_BYTES + 1)}
    assert (await client.request("POST", "/upload", b"x", headers=headers))[0] == 413


async def test_json_bombs_are_refused(client: _Client) -> None:
    """What is too deep or has too many values is a 400 before it is parsed."""
    for bomb in (b"[" * 1000, b"[" + b"1," * 100_000 + b"1]"):
        status, _, problem = await client.request("POST", "/whole", bomb)
        assert (status, problem["type"]) == (400, "urn:steno:problem:json")


async def test_a_client_that_goes_away_is_not_answered(client: _Client) -> None:
    """A body that breaks off reaches no route."""

    status, _, _ = await client.request("POST", "/whole", headers={"content-length": "5"})
    assert status == 0


async def test_long_urls_and_many_parameters_are_refused(client: _Client) -> None:
    """The URL is bounded before anything takes it apart, with or without a key."""
    assert (await client.request("GET", "/whole?" + "a" * 9000, key=None))[0] == 414
    assert (await client.request("GET", "/" + "a" * 9000))[0] == 414
    assert (await client.request("GET", "/whole?" + "a&" * 200))[0] == 414
    assert (await client.request("GET", "/whole?" + "a&" * 50))[0] == 200


async def test_guessing_is_slowed_down_and_harms_nobody_else(client: _Client) -> None:
    """Beyond its rate an address gets 429 for wrong keys; a right key from there opens all the same, as do other addresses."""
    statuses = [(await client.request("GET", "/whole", key=f"steno_{number}"))[0] for number in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    status, answered, problem = await client.request("GET", "/whole", key="steno_x")
    assert (status, problem["type"], int(answered["retry-after"]) > 0) == (429, "urn:steno:problem:rate_wrong_keys", True)
    assert (await client.request("GET", "/whole"))[0] == 200
    assert (await client.request("GET", "/whole", key=None))[0] == 401
    assert (await client.request("GET", "/whole", key="steno_x", client="192.0.2.2"))[0] == 401


async def test_what_costs_is_counted_by_key(client: _Client) -> None:
    """A key that asks too often is told when to come back, before its body is read; other keys and routes are as before."""
    assert [(await client.request("POST", "/costly", b"{}"))[0] for _ in range(3)] == [204, 204, 429]
    status, answered, problem = await client.request("POST", "/costly", b"{}")
    assert (status, answered["retry-after"], problem["type"], client.asked) == (429, "30", "urn:steno:problem:rate_costly", 0)
    assert (await client.request("POST", "/costly", b"{}", key=KEY + "2"))[0] == 204
    assert (await client.request("POST", "/whole", b"{}"))[0] == 200


async def test_one_key_does_not_take_all_room(client: _Client) -> None:
    """Requests of a key that are under way are bounded; those of others, and later ones of its own, go on."""
    entered, leave = asyncio.Semaphore(0), asyncio.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        entered.release()
        await leave.wait()
        await Response(status_code=204)(scope, receive, send)

    costly = Limited(what="costly", method="POST", path=re.compile("/costly"), rate=Rate(0), at_once=1)
    friend = _Client(Gate(waiting, keys=client._app._keys, wrong_keys=Rate(0), at_once=2, limited=[costly]))
    under_way = [asyncio.create_task(friend.request("POST", "/costly", b"{}"))]
    await entered.acquire()
    assert (await friend.request("POST", "/costly", b"{}"))[0] == 429
    under_way.append(asyncio.create_task(friend.request("GET", "/whole")))
    await entered.acquire()
    status, answered, problem = await friend.request("GET", "/whole")
    assert (status, answered["retry-after"], problem["type"]) == (429, "1", "urn:steno:problem:rate_requests")
    other = asyncio.create_task(friend.request("GET", "/whole", key=KEY + "2"))
    await entered.acquire()
    leave.set()
    assert [(await task)[0] for task in (*under_way, other)] == [204, 204, 204]
    assert (await friend.request("GET", "/whole"))[0] == 204
    assert (await friend.request("POST", "/costly", b"{}"))[0] == 204


async def test_a_key_that_is_revoked_while_a_body_comes_opens_nothing(tmp_path: Path, client: _Client) -> None:
    """A body may take minutes to come: what it asks for is asked of the key that there is then."""

    class _Revoking(list[bytes]):
        def __iter__(self) -> Any:
            yield b"[1,"
            (tmp_path / "keys").write_text("")
            yield b"2]"

    pieces = iter(_Revoking())
    sent: list[Message] = []

    async def receive() -> Message:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": piece != b"2]"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/whole", "query_string": b"", "client": ("192.0.2.1", 1), "state": {}}
    await client._app({**scope, "headers": [(b"x-api-key", KEY.encode()), (b"transfer-encoding", b"chunked")]}, receive, send)
    assert sent[0]["status"] == 401
    assert b"urn:steno:problem:api_key" in sent[1]["body"]


async def test_what_is_done_in_turn_is_not_refused(client: _Client) -> None:
    """Beyond so many at once a key's requests wait until others of it are answered; those of other keys do not."""
    entered: list[str] = []
    leave = asyncio.Semaphore(0)

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        entered.append(scope["state"]["caller"].tenant)
        await leave.acquire()
        await Response(status_code=204)(scope, receive, send)

    costly = Limited(what="costly", method="POST", path=re.compile("/costly"), rate=Rate(0), in_turn=1)
    friend = _Client(Gate(waiting, keys=client._app._keys, wrong_keys=Rate(0), limited=[costly]))
    asked = [asyncio.create_task(friend.request("POST", "/costly", b"{}", key=key)) for key in (KEY, KEY, KEY, KEY + "2")]
    for _ in range(20):
        await asyncio.sleep(0)
    assert entered == ["crm", "other"]
    for _ in asked:
        leave.release()
    assert [(await task)[0] for task in asked] == [204] * 4
    assert entered == ["crm", "other", "crm", "crm"]


async def test_documents_are_not_written_without_end(client: _Client) -> None:
    """What describes the API is counted by address; probes and scrapes always get through."""
    statuses = [(await client.request("GET", "/docs", key=None))[0] for _ in range(650)]
    assert statuses[:600] == [404] * 600
    assert set(statuses[-30:]) == {429}
    assert (await client.request("GET", "/docs", key=None, client="192.0.2.2"))[0] == 404
    assert {(await client.request("GET", "/health/live", key=None))[0] for _ in range(650)} == {204}


async def test_the_connection_of_a_key_is_known(client: _Client) -> None:
    """A connection that has shown a key counts as authenticated."""

    class _Connection:
        shown = False

        def mark_authenticated(self) -> None:
            self.shown = True

    wrong, right = _Connection(), _Connection()
    await client.request("GET", "/whole", key="steno_wrong", state={"connection": wrong})
    await client.request("GET", "/whole", state={"connection": right})
    assert (wrong.shown, right.shown) == (False, True)


async def test_an_answer_that_does_not_wait_for_the_body_ends_the_connection(client: _Client) -> None:
    """Where a route answers before its upload has come, the client is told that the rest is not read."""

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await Response(status_code=204)(scope, receive, send)

    gate = Gate(
        deaf,
        keys=client._app._keys,
        wrong_keys=Rate(0),
        streamed=[Streamed(method="POST", path="/upload", max_bytes=100)],
    )
    status, answered, _ = await _Client(gate).request("POST", "/upload", b"x", b"y", headers={"content-type": _FORM})
    assert (status, answered["connection"]) == (204, "close")
