"""A fetched recording is called as its submitter says, else as its server says."""

from ipaddress import ip_network
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session
from support.recordings import sample_call

from steno.storage.objects import ObjectStore

LIMITS = FetchLimits(max_bytes=10**7, connect_seconds=2, read_seconds=2, total_seconds=20, attempts=1, give_up_seconds=20)


async def test_a_server_names_its_file(tmp_path: Path) -> None:
    """By its Content-Disposition, which the path of the link knows nothing of."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        disposition = 'attachment; filename="../call 7.sln"'
        return web.Response(body=sample_call().read_bytes(), headers={"Content-Disposition": disposition})

    app = web.Application()
    app.router.add_get("/download", answer)
    async with TestServer(app) as server, fetching_session(LIMITS, allowed_networks=(ip_network("127.0.0.0/8"),)) as session:
        fetcher = Fetcher(store=ObjectStore((tmp_path / "objects").as_uri()), session=session, limits=LIMITS)
        url = str(server.make_url("/download"))
        async with fetcher.fetch(url) as audio:
            assert audio.name == "call 7.sln"
        async with fetcher.fetch(url, file_name="a.ulaw") as audio:
            assert audio.name == "a.ulaw"
