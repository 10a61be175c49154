"""An identity provider: a token endpoint and its public keys, over HTTP on loopback."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "kafka"
ISSUER = "https://issuer.example"


class IdentityProvider:
    """Gives a token to each client whose secret is `secret-of-CLIENT`; the client is the token's subject."""

    def __init__(self) -> None:
        self.url = ""
        #: Clients that got a token, in order.
        self.given: list[str] = []
        #: Lifetime of tokens.
        self.seconds = 300
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    async def token(self, request: web.Request) -> web.Response:
        basic = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        client, secret = map(unquote_plus, basic.split(":"))
        if secret != f"secret-of-{client}":
            return web.json_response({"error": "invalid_client"}, status=401)
        self.given.append(client)
        return web.json_response({"access_token": self._token(client), "token_type": "Bearer", "expires_in": self.seconds})

    async def keys(self, _request: web.Request) -> web.Response:
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": _integer(numbers.n), "e": _integer(numbers.e)}
        return web.json_response({"keys": [key]})

    def _token(self, subject: str) -> str:
        now = int(time.time())
        claims = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + self.seconds}
        signed = f"{_part({'alg': 'RS256', 'kid': '1', 'typ': 'JWT'})}.{_part(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Runs an identity provider in a thread, since a broker asks it while a test's loop may not run."""
    provider = IdentityProvider()
    listening, stopping = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/token", provider.token)
        app.router.add_get("/keys", provider.keys)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        listening.set()
        await stopping.wait()
        await runner.cleanup()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)


def _part(content: dict[str, Any]) -> str:
    return _encoded(json.dumps(content).encode())


def _integer(number: int) -> str:
    return _encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
