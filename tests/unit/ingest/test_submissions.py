"""Uploads outlast much: their key is asked for again at their end."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from steno_ingest.recordings.intake import Intake
from steno_ingest.rest.submissions import submit

from steno.http.auth import ApiKeys, key_line
from steno.http.problems import ApiProblem
from steno.storage.objects import ObjectStore

_HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'


async def test_an_upload_does_not_outlive_its_key(tmp_path: Path) -> None:
    """A key that is revoked while its upload comes in: 401, and nothing of the upload is kept."""
    file = tmp_path / "keys"
    file.write_text(key_line("crm", "k"))
    keys = ApiKeys(file)
    caller = keys.verify("k")
    assert caller is not None
    objects = ObjectStore((tmp_path / "objects").as_uri())
    pieces = [_HEAD, b"\r\n--x--\r\n"]

    async def receive() -> Any:
        if len(pieces) == 1:
            file.write_text("")
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    # A ledger that is asked for anything fails the test.
    intake = Intake(None, objects, max_bytes=1 << 20)  # type: ignore[arg-type]
    with pytest.raises(ApiProblem) as refused:
        await submit(request, intake, keys, caller, None)
    assert refused.value.problem.status == 401
    assert await objects.list_urls("uploads") == []
