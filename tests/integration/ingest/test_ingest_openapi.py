"""The served OpenAPI is true: what it calls valid is taken, what it does not is refused, and every answer is as it says."""

import asyncio
import sys
from pathlib import Path

import pytest
from support.calls import call_started
from support.effort import examples
from support.http_server import serving
from support.ingest import KEY, running_ingest

CONFIG = f"""
[auth.openapi.bearer]
bearer = "{KEY}"

# A recording that has failed or was cancelled has no transcript, whatever the request.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "410"]

# JSON Schema cannot say that no two entries of a list may name the same channel, nor which channels a call has.
[[operations]]
include-name = "POST /v1/recordings"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]

[[operations]]
include-name = "PUT /v1/calls/{{call_id}}/roles"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""
RUN = ("--max-examples", str(examples(4)), "--seed", "1", "--request-timeout", "20", "--warnings", "off", "--no-color")


@pytest.mark.effort
@pytest.mark.timeout(300)
async def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Every check of schemathesis, in every phase, against the API as it is served."""
    async with running_ingest(tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        for number in range(3):
            await ingest.upload(b"audio", call_id=f"call-{number}")
            await ingest.calls.begin(
                call_started(f"live-{number}"), door="stream", instance="ingest-1", paused=False, chunk_ms=100
            )
        async with serving(ingest.app) as served:
            status, output = await _schemathesis(f"http://127.0.0.1:{served.port}/openapi.json", tmp_path)
    assert status == 0, output


async def _schemathesis(url: str, folder: Path) -> tuple[int, str]:
    (folder / "schemathesis.toml").write_text(CONFIG, "utf-8")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        "run",
        url,
        *RUN,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")
