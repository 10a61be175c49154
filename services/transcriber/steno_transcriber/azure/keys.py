"""The keys by which recordings are found again in jobs at Azure. Pure.

A job carries in its custom properties, for each of its recordings, the digest of its address (by which a result names it) and
its key: 20 characters, in up to ten values of up to 256 (the limits of the API).
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from steno_transcriber.engines.port import RecordingReference

MOST_RECORDINGS = 120
"""As many as a job's custom properties can name."""

_ADDRESS, _KEY = 8, 12
_PAIR = _ADDRESS + _KEY
_PAIRS_A_VALUE = 256 // _PAIR
_NAME = "steno-recordings-"


def key_of(recording: RecordingReference) -> str:
    """The key of a recording with what is asked of it: another id, place or option is another work, which is paid for."""
    options = recording.options.model_dump_json(exclude={"hints"})  # which the batch API does not take
    channels = ",".join(map(str, recording.channels))
    asked = "\n".join((recording.call_id, recording.recording_id, recording.url, channels, options))
    return _digest(asked, _KEY)


def address_of(url: str) -> str:
    """The digest of a URL without its query: a signature differs each time, and a result may name the URL without it."""
    parts = urlsplit(url)
    return _digest(f"{parts.scheme}://{parts.netloc.lower()}{unquote(parts.path)}", _ADDRESS)


def custom_properties(recordings: Mapping[str, str]) -> dict[str, str]:
    """The custom properties that name the recordings of a job: keys by address."""
    pairs = [address + key for address, key in recordings.items()]
    if len(pairs) > MOST_RECORDINGS:
        raise ValueError(f"a job has at most {MOST_RECORDINGS} recordings")
    values = ("".join(pairs[begin : begin + _PAIRS_A_VALUE]) for begin in range(0, len(pairs), _PAIRS_A_VALUE))
    return {f"{_NAME}{index}": value for index, value in enumerate(values)}


def recordings_of(properties: Mapping[str, str]) -> dict[str, str]:
    """The recordings that a job's custom properties name: keys by address."""
    values = (value for name, value in sorted(properties.items()) if name.startswith(_NAME))
    pairs = [value[begin : begin + _PAIR] for value in values for begin in range(0, len(value), _PAIR)]
    return {pair[:_ADDRESS]: pair[_ADDRESS:] for pair in pairs if len(pair) == _PAIR}


def _digest(text: str, characters: int) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())[:characters].decode()
