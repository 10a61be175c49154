"""deploy/compose as it stands, run for real: only the images of the parts are stand-ins, and Grafana is left out."""

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from support.compose import Compose, NoCompose, compose_command, composed
from support.recordings import sample_call
from support.webhooks import SECRET, Receiver, receiving

from steno.cache_folder import cache_folder
from steno.cli.api import Api, ApiAddress, connect_api
from steno.cli.recordings import sidecar
from steno.kafka.partitioner import choose_partition

pytestmark = pytest.mark.timeout(600)

KEPT_PORTS = {"ingest": "8080/tcp", "notifier": "8080/tcp", "prometheus": "9090/tcp"}
ENDS = {"kafka": 143}
"""Java ends with the signal's number when it is stopped."""


@pytest.fixture(scope="module")
def suite(
    engine: docker.DockerClient, compose_images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compose]:
    """The suite with three transcribers, all healthy."""
    try:
        compose_command()
    except NoCompose as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("compose")
    model = shutil.copytree(cache_folder() / "models/by-name/tiny.en", folder / "model")
    with composed(engine, compose_images, folder, model) as running:
        for path in (*folder.parents, folder, *model.iterdir()):  # the containers' user is another one
            if path.is_relative_to(tmp_path_factory.getbasetemp().parent):
                path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0))
        running.up("--scale", "transcriber=3")
        yield running


@pytest.fixture(scope="module")
def key(suite: Compose) -> str:
    """An API key, made as the page for newcomers says."""
    return suite.run("run", "--rm", "keys", "add", "crm").split()[-1]


@pytest.fixture
async def api(suite: Compose, key: str) -> AsyncIterator[Api]:
    """The suite's REST API."""
    async with connect_api(ApiAddress(url=suite.url("ingest"), key=key)) as client:
        yield client


async def test_only_its_doors_can_be_reached_and_no_secret_is_in_an_environment(suite: Compose) -> None:
    """Ports are published on loopback, for three services; each container is without privileges; secrets are in files alone."""
    secrets = [file.read_text() for file in suite.secrets.rglob("*") if file.is_file() and file.stat().st_size]
    assert len(secrets) == 10
    for container in suite.containers():
        service = container.labels["com.docker.compose.service"]
        host = container.attrs["HostConfig"]
        published = {port: hosts for port, hosts in container.ports.items() if hosts}
        assert set(published) == ({KEPT_PORTS[service]} if service in KEPT_PORTS else set()), service
        assert {entry["HostIp"] for hosts in published.values() for entry in hosts} <= {"127.0.0.1"}
        assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"]), service
        assert host["ReadonlyRootfs"] or service == "kafka"
        assert not [secret for secret in secrets if secret in json.dumps(container.attrs["Config"])], service
    assert stat.S_IMODE(suite.secrets.stat().st_mode) == 0o700


async def test_a_recording_and_a_call_come_back_although_a_transcriber_is_killed(suite: Compose, api: Api, key: str) -> None:
    """Both end as completed with what was said, each with verified webhooks; Docker starts the killed one again, as itself."""
    async with receiver_of(suite, key) as receiver:
        recording = sample_call("billing-dispute")
        calling = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "steno.cli",
                "call",
                str(sample_call()),
                "--call-id",
                "spoken",
                "--speed",
                "1.25",
                "--json",
            ),
            env={**os.environ, "STENO_UP_URL": suite.url("ingest"), "STENO_UP_API_KEY": key},
            stdout=asyncio.subprocess.PIPE,
        )
        assert calling.stdout is not None
        phrase = await first_phrase(calling.stdout)
        submitted = await api.submit(recording, sidecar(recording) | {"call_id": "recorded"})
        kill_owner_of(suite, phrase["call_id"])
        output, _ = await calling.communicate()
        assert calling.returncode == 0, output
        await events_have_come(receiver, {"recorded", "spoken"})
    told = [json.loads(line) for line in output.splitlines()]
    assert told[-1] == {"type": "call", "file": str(sample_call()), "call_id": "spoken", "state": "completed"}
    assert "help" in words_of([line for line in told if line["type"] == "phrase"])  # one of the last words, after the kill
    assert "account" in words_of((await api.transcript(submitted["recording_id"]))["phrases"])
    assert sum(container.attrs["RestartCount"] for container in suite.containers("transcriber")) == 1
    ledger = await api.ledger()
    assert ledger["balanced"], ledger


async def test_prometheus_finds_every_replica_and_the_rules(suite: Compose) -> None:
    """It asks all four services, and each of the three transcribers; and it has the alert rules."""
    async with httpx.AsyncClient(base_url=suite.url("prometheus")) as prometheus, asyncio.timeout(60):
        assert (await prometheus.get("/api/v1/rules")).json()["data"]["groups"]
        while await up_by_job(prometheus) != {"ingest": 1, "transcriber": 3, "enricher": 1, "notifier": 1}:
            await asyncio.sleep(0.5)


async def test_all_end_by_themselves_and_what_they_keep_is_there_after_a_restart(suite: Compose, api: Api) -> None:
    """Each is stopped with its own status in time; a second `up` changes no secret, and finds ledger, objects and topics."""
    recording = sample_call("delivery-enquiry")
    submitted = await api.submit(recording, sidecar(recording) | {"call_id": f"kept-{datetime.now(UTC):%H%M%S}"})
    await completed_recording(api, submitted["recording_id"])
    secrets = {file: file.read_bytes() for file in suite.secrets.rglob("*") if file.is_file()}
    suite.run("stop")
    ends = {
        each.name: (each.labels["com.docker.compose.service"], each.attrs["State"]["ExitCode"]) for each in suite.containers()
    }
    assert {name: code for name, (service, code) in ends.items() if code != ENDS.get(service, 0)} == {}, suite.told()
    suite.up("--scale", "transcriber=1")
    assert {file: file.read_bytes() for file in suite.secrets.rglob("*") if file.is_file()} == secrets
    assert len(suite.containers("transcriber")) == 1
    assert words_of((await api.transcript(submitted["recording_id"]))["phrases"])
    assert (await api.ledger())["balanced"]


@asynccontextmanager
async def receiver_of(suite: Compose, key: str) -> AsyncIterator[Receiver]:
    """A receiver of webhooks on this machine's side of the suite's network, registered for every event."""
    gateway = suite.engine.networks.get(f"{suite.project}_outside").attrs["IPAM"]["Config"][0]["Gateway"]
    async with (
        receiving(host=gateway, bind=gateway) as receiver,
        httpx.AsyncClient(base_url=suite.url("ingest"), headers={"Authorization": f"Bearer {key}"}) as client,
    ):
        answer = await client.post("/v1/webhooks", json={"url": receiver.url, "secret": SECRET})
        answer.raise_for_status()
        yield receiver


async def first_phrase(output: asyncio.StreamReader) -> dict[str, Any]:
    """Reads what `steno call --json` prints up to the first phrase."""
    async for line in output:
        told: dict[str, Any] = json.loads(line)
        if told["type"] == "phrase":
            return told
    raise AssertionError("the call ended without a phrase")


def kill_owner_of(suite: Compose, call_id: str) -> None:
    """Kills the transcriber that has a call, as the kernel does when memory is short; `docker kill` would end it for good."""
    partition = choose_partition(call_id.encode(), list(range(12)), [])
    opened = {}
    for container in suite.containers("transcriber"):
        for line in container.logs().splitlines():
            if line.startswith(b"{") and (entry := json.loads(line)).get("partition") == partition:
                opened[entry["timestamp"]] = container
    owner = opened[max(opened)]
    process = owner.attrs["State"]["Pid"]
    assert owner.id in Path(f"/proc/{process}/cgroup").read_text(), "the engine runs on another machine"
    os.kill(process, signal.SIGKILL)


async def events_have_come(receiver: Receiver, call_ids: set[str]) -> None:
    """Waits for a completed transcript and a summary of each call."""
    wanted = {(kind, call_id) for kind in ("transcript.completed", "call.summarised") for call_id in call_ids}
    while not wanted <= {(event.body["type"], event.body["data"]["call_id"]) for event in receiver.received}:
        await receiver.has(len(receiver.received) + 1)


async def completed_recording(api: Api, recording_id: str) -> None:
    """Waits until a recording is completed."""
    async with asyncio.timeout(60):
        while (await api.recording(recording_id))["state"] != "completed":
            await asyncio.sleep(0.2)


def words_of(phrases: list[dict[str, Any]]) -> set[str]:
    """The words of phrases, in lower case."""
    return {word.strip(".,?!").lower() for phrase in phrases for word in phrase["text"].split()}


async def up_by_job(prometheus: httpx.AsyncClient) -> dict[str, int]:
    """How many replicas of each service answer."""
    answer = (await prometheus.get("/api/v1/query", params={"query": "sum by (job) (up)"})).json()
    return {entry["metric"]["job"].removeprefix("steno-"): int(entry["value"][1]) for entry in answer["data"]["result"]}
