"""The AsyncAPI document, read by AsyncAPI's own parser with its Avro payloads."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from steno.events.records import RECORDS
from steno.events.schemas import schemas_folder

CHECKER = Path(__file__).parents[2] / "support" / "asyncapi"


async def run(*command: str, folder: Path) -> str:
    """What a program prints; a failure shows what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command[0]} failed: {err.decode()}"
    return out.decode()


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("npm") is None, reason="AsyncAPI's parser is a JavaScript library, and npm is not installed")
async def test_asyncapis_parser_finds_nothing_wrong(tmp_path: Path) -> None:
    """The document is valid without a single remark, and the parser understands the Avro of every record."""
    folder = Path(shutil.copytree(CHECKER, tmp_path / "checker", ignore=shutil.ignore_patterns("node_modules")))
    await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    document = Path(str(schemas_folder())).resolve() / "asyncapi.yaml"
    answer = json.loads(await run("node", "validate.mjs", str(document), folder=folder))
    assert answer["diagnostics"] == []
    assert answer["valid"]
    assert sorted(answer["payloads"]) == sorted(RECORDS)
    assert sorted(answer["messages"]) == sorted([*RECORDS, "DeadLetter"])
