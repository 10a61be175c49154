"""Decides whether an engine can serve a model and a language. Pure."""

from collections.abc import Iterable

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import EngineInfo, Unsupported, UnsupportedLocale, UnsupportedModel


def refusal_of(info: EngineInfo, options: RecognitionOptions) -> Unsupported | None:
    """The error for a model or a language that an engine does not have; None where it has both."""
    if options.model not in ("", info.model):
        return UnsupportedModel(f"the model {options.model} is not loaded, but {info.model}")
    asked = asked_locales(options)
    if asked and not languages_of(info, options):
        return UnsupportedLocale(f"the model {info.model} does not know the language of {', '.join(asked)}")
    return None


def languages_of(info: EngineInfo, options: RecognitionOptions) -> tuple[str, ...]:
    """The requested languages that the engine knows; empty where it is to choose among all."""
    return tuple(dict.fromkeys(language for language in map(_primary, asked_locales(options)) if language in info.languages))


def asked_locales(options: RecognitionOptions) -> Iterable[str]:
    """The requested locale, or else the candidates."""
    return (options.locale,) if options.locale else options.candidate_locales


def is_english(locale: str) -> bool:
    """Whether a language tag is of English."""
    return _primary(locale) == "en"


def spoken_locale(language: str, options: RecognitionOptions) -> str:
    """The locale of speech that an engine decoded in a language: the requested one, or the candidate that has the language.

    Without either it is the language itself, which may be any that the engine knows.
    """
    if options.locale:
        return options.locale
    return next((candidate for candidate in options.candidate_locales if _primary(candidate) == language), language)


def _primary(locale: str) -> str:
    return locale.split("-")[0].lower()
