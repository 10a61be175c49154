"""`protocols/speech-sdk-options.md`: what Steno does with each option of the Speech SDK, from the door's own table."""

import json
from urllib.parse import unquote

from pages.markdown import NOTE, code, table
from steno_ingest.calls.doors.speech_sdk_option_table import OPTIONS, SdkOption

_INTRODUCTION = """# Options of the Speech SDK

What Steno does with each option that a client of [Azure's Speech SDK](speech-sdk.md) can set. *Served*: as at Azure, except as
the note says. *Passed over*: it changes nothing, and is no error. *Refused*: the client gets an error that says so.
"""


def page() -> str:
    """The page."""
    rows = [[option.name, option.answer.value, option.note, _examples(option)] for option in OPTIONS]
    return "\n".join([NOTE, _INTRODUCTION, table(["Option", "", "Note", "As clients send it"], rows)])


def _examples(option: SdkOption) -> str:
    found = [code(f"?{unquote(option.query)}")] if option.query else []
    for name, value in (("speech.config", option.config), ("speech.context", option.context)):
        if value:
            found.append(f"{name}: {code(json.dumps(value))}")
    return "; ".join(found)
