"""Where a suite is, and the key to it: by URL, or by the data folder of one on this machine."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steno.cli import run_file


class ApiError(Exception):
    """The API refused a request or could not be reached; the message is for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiAddress:
    """The URLs of a suite's API and its credentials."""

    url: str
    key: str
    #: Of the notifier, which serves captions; empty where it is not known.
    notifier_url: str = ""
    #: Twilio's Auth Token, and API key and client secret of an AudioHook integration; empty where there is none.
    twilio_token: str = ""
    audiohook_key: str = ""
    audiohook_secret: str = ""


def find_api(data: Path, *, url: str | None = None, key: str | None = None) -> ApiAddress:
    """Finds the suite to call: by URL and key, by default those of the environment, else the one that runs on a data folder.

    The environment is `STENO_UP_URL`, `STENO_UP_API_KEY` and, for captions, `STENO_UP_NOTIFIER_URL`.

    Raises:
        ApiError: none is given and none runs there.
    """
    url = url or os.environ.get("STENO_UP_URL")
    if url:
        key = (key or os.environ.get("STENO_UP_API_KEY", "")).strip()
        if not url.startswith(("http://", "https://")):
            raise ApiError(f"{url} is not where an ingest is: write http(s)://HOST:PORT")
        if not key.isascii() or not key.isprintable():
            raise ApiError("the API key is none: it has other characters than keys have")
        return ApiAddress(url=url.rstrip("/"), key=key, notifier_url=os.environ.get("STENO_UP_NOTIFIER_URL", "").rstrip("/"))
    return api_of(data)


def api_of(data: Path) -> ApiAddress:
    """Finds the suite that runs on a data folder, whatever the environment names.

    Raises:
        ApiError: none runs there.
    """
    try:
        document = run_file.read(data)
        audiohook_key, _, audiohook_secret = _secret(document, "audiohook_keys_file").partition(" ")
        return ApiAddress(
            url=document["services"]["ingest"]["url"],
            key=_secret(document, "api_key_file"),
            notifier_url=document["services"]["notifier"]["url"],
            twilio_token=_secret(document, "twilio_auth_tokens_file"),
            audiohook_key=audiohook_key,
            audiohook_secret=audiohook_secret,
        )
    except (FileNotFoundError, NotADirectoryError, KeyError):
        raise ApiError(
            f"no suite runs on {data}: start one with `steno up --data {data}`, give another folder with --data, "
            "or a URL and key with --url and --key (STENO_UP_URL and STENO_UP_API_KEY)"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ApiError(f"the run file of {data} cannot be read: {error}") from None


def _secret(document: dict[str, Any], name: str) -> str:
    """The first line of a secrets file that the run file names; empty where it names none."""
    return Path(document[name]).read_text("utf-8").partition("\n")[0].strip()
