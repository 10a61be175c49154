"""Finds the file name of a URL: in Content-Disposition, in its path, or in its query parameters. Pure."""

from collections.abc import Iterator
from email.message import Message
from urllib.parse import parse_qsl, unquote, urlsplit

from steno.audio_files import is_audio_name, plain_file_name

UNNAMED = "recording"
_MOST_PARAMETERS = 100


def name_of(url: str, *, disposition: str = "") -> str:
    """The file name of a URL: the first candidate that is the name of an audio file, else the first one.

    Args:
        disposition: the header `Content-Disposition` of the answer.

    Raises:
        ValueError: the URL is not valid.
    """
    parts = urlsplit(url)
    said = [plain_file_name(_disposed(disposition)), plain_file_name(unquote(parts.path))]
    # A parameter may be a secret, but for what is called as audio files are.
    of_audio = (name for name in (*said, *_parameters(parts.query)) if is_audio_name(name))
    return next(of_audio, None) or next(filter(None, said), UNNAMED)


def _parameters(query: str) -> Iterator[str]:
    try:
        fields = parse_qsl(query, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return
    for _, value in fields:
        # Stores let a link say what they are to answer: S3's `response-content-disposition`, Azure's `rscd`.
        yield plain_file_name(_disposed(value) if "filename" in value else value)


def _disposed(disposition: str) -> str:
    """The file name in a Content-Disposition (RFC 6266), or nothing."""
    header = Message()
    header["Content-Disposition"] = disposition
    try:
        return header.get_filename("")
    except (LookupError, ValueError):  # it names a charset that there is not, or that does not fit
        return ""
