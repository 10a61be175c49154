"""Reads what a Speech SDK client asks for: by the query of its URL, in `speech.config` and in `speech.context`. Pure.

Where two of them say the same, `speech.context` counts. Names are compared without case. `docs/protocols/speech-sdk.md` has the
table of all options, which is made from `speech_sdk_option_table`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steno.events.fields import Identifier, Properties
from steno.events.recognition import Profanity, RecognitionDetails
from steno.events.records import Role
from steno.json_bounds import JsonTooLarge, check_json
from steno.validation import LANGUAGE_TAG, PRINTABLE

CallId = Annotated[Identifier, Field(pattern=PRINTABLE)]
"""The id of a call, as a client may choose it: it is written into headers of messages."""

MOST_HINTS = 200
"""How many phrases of a phrase list are used, in the order of the list."""

MOST_TICKS = 32 * 86_400 * 10_000_000
"""A session that is longer than this many ticks is none."""

_LONGEST_NAME = 128
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_SHORTEST_SILENCE_MS, _LONGEST_SILENCE_MS = 100, 5000
_MOST_CANDIDATES = 16

_PROFANITY = {
    "raw": Profanity.AS_SPOKEN,
    "masked": Profanity.MASKED,
    "removed": Profanity.REMOVED,
}

_REFUSED = {
    ("translation",): "translation is not set up at this service; recognise with a SpeechRecognizer, and translate its text",
    ("pronunciationassessment",): "pronunciation assessment is not part of this service",
    ("keyworddetection",): "keyword verification is not part of this service; use the keyword model of the SDK alone",
    ("intent",): "intent recognition is not part of this service",
    ("dialog",): "dialogs with bots are not part of this service",
}
"""Parts of a context that cannot be served, and what a client is answered."""


class NotServed(Exception):
    """What a client asks for cannot be served; the text is for the person who wrote the client."""


class Mode(Enum):
    """When a turn ends by itself."""

    #: At the end of its audio.
    CONTINUOUS = auto()
    #: With its first phrase, or after silence at its beginning.
    ONCE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a client says of the audio that it sends again, or from now on."""

    #: Whether it says where its audio begins; if not, only the server can know.
    said: bool = False
    #: Where the audio of the turn begins in the audio of the session, in ticks of 100 ns.
    ticks: int = 0
    #: What the server sent with its last message that the client got.
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkOptions:
    """Everything that a client asks for in a turn."""

    locale: str = "en-US"
    recognition: RecognitionDetails = field(default_factory=RecognitionDetails)
    mode: Mode = Mode.CONTINUOUS
    #: Whether phrases have alternatives (of which there is one) with confidence and words.
    detailed: bool = False
    #: Whether phrases say who speaks.
    speakers: bool = False
    #: Whether phrases say which channel they are of.
    separate_channels: bool = False
    #: After so much silence at the beginning of a turn its client is told; 0: only where a phrase is awaited.
    initial_silence_ms: int = 0
    #: Whether offsets are those of the session, and not of the turn.
    session_offsets: bool = False
    continuation: Continuation = Continuation()
    call_id: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()


class _Steno(BaseModel):
    """What a client may say to Steno in its context, by `Connection.set_message_property("speech.context", "steno", …)`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_id: Annotated[CallId | None, Field(alias="callId")] = None
    properties: Properties = {}
    roles: tuple[Role, ...] = Field(default=(), max_length=8)


def read_query(query: str, *, interactive: bool) -> SdkOptions:
    """Reads the query of a URL. `interactive`: whether its path is the one for single phrases.

    Raises:
        NotServed: it asks for something that cannot be served.
    """
    given = {name.lower(): value for name, value in parse_qsl(query, keep_blank_values=True)}
    options = SdkOptions(mode=Mode.ONCE if interactive else Mode.CONTINUOUS)
    if given.get("to"):
        raise NotServed(_REFUSED[("translation",)])
    options = _with_languages(options, given.get("language", ""), _names(given.get("lidenabled", "")))
    if "cid" in given:
        options = _with_recognition(options, model=_name(given["cid"], "cid"))
    if "profanity" in given:
        options = _with_recognition(options, profanity=_profanity(given["profanity"]))
    options = _with_silence(options, given.get("endsilencetimeoutms"))
    return replace(
        options,
        detailed=given.get("format", "").lower() == "detailed",
        initial_silence_ms=_milliseconds(given.get("initialsilencetimeoutms")),
    )


def read_config(options: SdkOptions, body: str) -> SdkOptions:
    """Reads `speech.config`. Raises `NotServed`."""
    config = _object(body, "speech.config")
    source = _part(config, "context", "audio", "source")
    return replace(
        options,
        mode=Mode.ONCE if _text(config.get("recognition")) == "interactive" else options.mode,
        separate_channels=options.separate_channels or _text(source.get("separatechannelprocessing")) == "true",
        # With this client offsets count from the beginning of its session once it says where its audio begins.
        session_offsets=_text(_part(config, "context", "system").get("lang")) == "javascript",
    )


def read_context(options: SdkOptions, body: str) -> SdkOptions:
    """Reads `speech.context`.

    Raises:
        NotServed: it asks for something that cannot be served, or is not JSON.
    """
    context = _object(body, "speech.context")
    for path, refusal in _REFUSED.items():
        if _part(context, *path):
            raise NotServed(refusal)
    detection = _part(context, "phrasedetection")
    languages = _part(context, "languageid").get("languages")
    options = _with_languages(
        options,
        detection.get("language", ""),
        [name for name in languages if isinstance(name, str)] if isinstance(languages, list) else [],
    )
    options = _with_recognition(options, hints=tuple(_hints(context)) or options.recognition.hints)
    if profanity := _part(detection, "enrichment").get("profanity") or _part(context, "enrichment").get("profanity"):
        options = _with_recognition(options, profanity=_profanity(profanity))
    mode = _text(detection.get("mode"))
    options = _with_silence(options, detection.get("trailingsilencetimeout"))
    options = _with_silence(options, _part(detection, mode, "segmentation").get("segmentationsilencetimeoutms"))
    steno = _steno(context.get("steno"))
    return replace(
        options,
        mode={"interactive": Mode.ONCE, "conversation": Mode.CONTINUOUS, "dictation": Mode.CONTINUOUS}.get(mode, options.mode),
        detailed=options.detailed or _text(_part(context, "phraseoutput").get("format")) == "detailed",
        speakers="speakerdiarization" in detection,
        initial_silence_ms=_milliseconds(detection.get("initialsilencetimeout")) or options.initial_silence_ms,
        continuation=_continuation(context),
        session_offsets=options.session_offsets and bool(_part(context, "audio", "streams")),
        call_id=steno.call_id or options.call_id,
        properties=steno.properties or options.properties,
        roles=steno.roles or options.roles,
    )


def _with_recognition(options: SdkOptions, **changes: Any) -> SdkOptions:
    return replace(options, recognition=options.recognition.model_copy(update=changes))


def _with_languages(options: SdkOptions, language: Any, candidates: list[str]) -> SdkOptions:
    """One language, or several of which the engine is to find the right one."""
    if candidates:
        if len(candidates) > _MOST_CANDIDATES:
            raise NotServed(f"languages are identified among at most {_MOST_CANDIDATES}, not {len(candidates)}")
        found = tuple(_locale(name) for name in candidates)
        return replace(_with_recognition(options, candidate_locales=found), locale="")
    if isinstance(language, str) and language and not options.recognition.candidate_locales:
        return replace(options, locale=_locale(language))
    return options


def _with_silence(options: SdkOptions, milliseconds: Any) -> SdkOptions:
    """The silence that ends a phrase; within the bounds of the service."""
    if not (given := _milliseconds(milliseconds)):
        return options
    return _with_recognition(options, segmentation_silence_ms=max(_SHORTEST_SILENCE_MS, min(given, _LONGEST_SILENCE_MS)))


def _hints(context: Mapping[str, Any]) -> Iterator[str]:
    """The phrases of the phrase lists, as many as are used."""
    groups = _part(context, "dgi").get("groups")
    found: dict[str, None] = {}
    for group in groups if isinstance(groups, list) else []:
        items = group.get("items") if isinstance(group, Mapping) else None
        for item in items if isinstance(items, list) else []:
            text = item.get("text") if isinstance(item, Mapping) else None
            if isinstance(text, str) and text.strip():
                found[_name(text.strip()[:_LONGEST_NAME], "a phrase of the phrase list")] = None
                if len(found) >= MOST_HINTS:
                    break
    yield from found


def _continuation(context: Mapping[str, Any]) -> Continuation:
    streams = _part(context, "audio", "streams")
    if not streams:
        return Continuation()
    continued = _part(context, "continuation")
    offsets = _part(continued, "audio", "streams", next(iter(streams)))
    ticks, token = offsets.get("offset"), continued.get("token")
    return Continuation(
        said=True,
        ticks=_ticks(ticks),
        token=token if isinstance(token, str) else "",
    )


def _ticks(value: Any) -> int:
    text = str(value) if isinstance(value, str | int) else ""
    return min(int(text), MOST_TICKS) if text.isascii() and text.isdigit() and len(text) <= 20 else 0


def _steno(given: Any) -> _Steno:
    if given is None:
        return _Steno()
    try:
        # A property that is set by the SDK is a text, which may be JSON in turn.
        return _Steno.model_validate_json(given) if isinstance(given, str) else _Steno.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise NotServed(f"steno.{'.'.join(map(str, fault['loc']))} in speech.context: {fault['msg']}") from error


def _object(body: str, name: str) -> Mapping[str, Any]:
    """Reads a JSON object, with the names in it in lower case."""
    try:
        check_json(body)
        found = json.loads(body)
    except JsonTooLarge as error:
        raise NotServed(f"{name}: {error}; shorten the phrase list") from error
    except ValueError as error:
        raise NotServed(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotServed(f"{name} is not a JSON object")
    if _HALF_A_PAIR.search(json.dumps(found, ensure_ascii=False)):
        raise NotServed(f"{name} has half of a surrogate pair in it, which is no character (RFC 8259 §8.2)")
    steno = found.pop("steno", None)
    return {**_lowered(found), "steno": steno}


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _lowered(inner) for name, inner in value.items()}
    return [_lowered(inner) for inner in value] if isinstance(value, list) else value


def _part(value: Any, *names: str) -> Mapping[str, Any]:
    """An object within objects; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value.lower() if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else ""


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _name(text: str, what: str) -> str:
    if len(text) > _LONGEST_NAME:
        raise NotServed(f"{what} is longer than {_LONGEST_NAME} characters")
    if text and not re.fullmatch(PRINTABLE, text):
        raise NotServed(f"{what} has control characters in it")
    return text


def _profanity(value: Any) -> Profanity:
    found = _PROFANITY.get(_text(value))
    if found is None:
        raise NotServed(f"profanity is raw, masked or removed, not {str(value)[:_LONGEST_NAME]!r}")
    return found


def _milliseconds(value: Any) -> int:
    """A number of milliseconds, which may be a text; 0 where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return 0
    try:
        return max(0, min(int(float(value)), 600_000))
    except (ValueError, OverflowError):
        return 0


def _locale(name: str) -> str:
    """A language tag as it is usually written (RFC 5646 §2.1.1): `en-us` is `en-US`."""
    if not re.fullmatch(LANGUAGE_TAG, _name(name, "a language")):
        raise NotServed(f"a language is a tag such as en-US, not {name!r}")
    first, *others = name.split("-")
    written = [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part for part in others]
    return "-".join([first.lower(), *written])
