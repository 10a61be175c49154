"""How lists of jobs at Azure are read while jobs are deleted from them, and what is passed on of Azure's messages."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from steno_transcriber.azure import wire
from steno_transcriber.azure.client import AzureClient, EndpointUnavailable, RequestRefused
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.wire import PAGE

WEST = parse_endpoint("westeurope")
NAME = "steno"


class Jobs:
    """A list of jobs, from which one is deleted, or to which one is added, whenever a page was read."""

    def __init__(self) -> None:
        self.ids = [f"job-{index}" for index in range(3 * PAGE)]
        self.deletions = 0
        self.additions = 0
        self.answer: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.answer is not None:
            return self.answer
        skip, top = int(request.url.params["skip"]), int(request.url.params["top"])
        page = {"values": [self._job(each) for each in self.ids[skip : skip + top]]}
        if skip + top < len(self.ids):
            page["@nextLink"] = "https://next"  # type: ignore[assignment]
        if self.deletions:
            self.deletions -= 1
            del self.ids[0]
        if self.additions:
            self.additions -= 1
            self.ids.insert(0, f"new-{self.additions}")
        return httpx.Response(200, json=page)

    def _job(self, job_id: str) -> dict[str, str]:
        return {"self": f"{WEST.url}/speechtotext/transcriptions/{job_id}", "displayName": NAME, "status": "Running"}


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
async def client(jobs: Jobs, tmp_path: Path) -> AsyncIterator[AzureClient]:
    (tmp_path / "keys").write_text("key-one\n")
    settings = AzureSettings.model_validate({"endpoints": (WEST,), "keys_file": tmp_path / "keys"})
    async with httpx.AsyncClient(transport=httpx.MockTransport(jobs)) as http:
        yield AzureClient(http, Credentials(settings, http), wire.Api("2024-11-15"))


@pytest.mark.parametrize(("deletions", "additions"), [(0, 0), (1, 0), (4, 0), (0, 3), (2, 2)])
async def test_no_job_is_overlooked_while_the_list_changes(
    client: AzureClient, jobs: Jobs, deletions: int, additions: int
) -> None:
    """A page moves when a job before it is deleted; a job that is overlooked would be made, and paid for, again."""
    jobs.deletions, jobs.additions = deletions, additions
    found = [job.id for job in await client.find(WEST, NAME)]
    assert {each for each in jobs.ids if each.startswith("job-")} <= set(found)
    assert len(found) == len(set(found))


async def test_a_list_that_changes_all_the_time_is_no_answer(client: AzureClient, jobs: Jobs) -> None:
    """It is asked for again later; nobody concludes from it that there is no job."""
    jobs.deletions = 1000
    with pytest.raises(EndpointUnavailable, match="changes"):
        await client.find(WEST, NAME)


SIGNED = "https://store.example/recordings/a.wav?sv=2024&sig=s3cret%3D"


async def test_a_signature_in_a_message_of_azure_goes_no_further(client: AzureClient, jobs: Jobs) -> None:
    """The reason of a failed recording is logged and published, and a signed URL opens the recording for days."""
    told = {"code": "InvalidUri", "message": f"Cannot read '{SIGNED}', nor {SIGNED}."}
    jobs.answer = httpx.Response(400, json=told)
    with pytest.raises(RequestRefused) as refused:
        await client.submit(WEST, wire.Request(method="POST", path="/", query={}))
    job = wire.read_job(
        json.dumps({"self": "https://a/b", "displayName": NAME, "status": "Failed", "properties": {"error": told}}).encode()
    )
    (entry,) = wire.read_report(
        json.dumps({"details": [{"source": SIGNED, "status": "Failed", "errorMessage": told["message"]}]}).encode()
    )
    for shown in (str(refused.value), job.error.message, entry.reason):
        assert "https://store.example/recordings/a.wav" in shown
        assert "s3cret" not in shown
    assert "s3cret" in entry.address
    jobs.answer = httpx.Response(502, text=f"<p>{SIGNED}</p>")
    assert "s3cret" not in wire.error_of(jobs.answer.content)[1]
