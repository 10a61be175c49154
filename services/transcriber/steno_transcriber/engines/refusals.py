"""What an engine refuses by what is known of it: its model and its languages. Pure."""

from collections.abc import Iterable

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import EngineInfo, Unsupported, UnsupportedLocale, UnsupportedModel


def refusal_of(info: EngineInfo, options: RecognitionOptions) -> Unsupported | None:
    """Why an engine cannot serve a model or a language; None if it can."""
    if options.model not in ("", info.model):
        return UnsupportedModel(f"the model {options.model} is not loaded, but {info.model}")
    asked = asked_locales(options)
    if asked and not languages_of(info, options):
        return UnsupportedLocale(f"the model {info.model} does not know the language of {', '.join(asked)}")
    return None


def languages_of(info: EngineInfo, options: RecognitionOptions) -> tuple[str, ...]:
    """The languages asked for that the engine knows; none where it is to choose among all."""
    return tuple(dict.fromkeys(language for language in map(_primary, asked_locales(options)) if language in info.languages))


def asked_locales(options: RecognitionOptions) -> Iterable[str]:
    """The locale asked for, or else the candidates."""
    return (options.locale,) if options.locale else options.candidate_locales


def _primary(locale: str) -> str:
    return locale.split("-")[0].lower()
