"""A client of Azure's Speech SDK for Python, as a program: what it is to do comes as JSON, and each event goes out as a line.

It is a process of its own because the SDK is native: it has threads of its own, and what ends it must not end the tests.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import azure.cognitiveservices.speech as sdk

_MOST_SECONDS = 90


def _say(event: str, **about: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **about}) + "\n")
    sys.stdout.flush()


def _result(result: Any) -> dict[str, Any]:
    return {
        "reason": str(result.reason).removeprefix("ResultReason."),
        "text": result.text,
        "offset_ms": result.offset // 10_000,
        "duration_ms": result.duration // 10_000,
        "speaker": getattr(result, "speaker_id", ""),
        "json": json.loads(result.json) if result.json else {},
    }


def _canceled(details: Any) -> None:
    code = str(details.code).removeprefix("CancellationErrorCode.")
    _say("canceled", code=code, text=details.error_details)


def _speak(given: dict[str, Any]) -> None:
    """Asks for speech."""
    config = sdk.SpeechConfig(host=given["url"], subscription=given["key"])
    synthesizer = sdk.SpeechSynthesizer(speech_config=config, audio_config=None)
    details = synthesizer.speak_text_async("hello").get().cancellation_details
    _say("canceled", code=str(details.error_code).removeprefix("CancellationErrorCode."), text=details.error_details)


def _translate(given: dict[str, Any]) -> None:
    """Asks for a translation."""
    config = sdk.translation.SpeechTranslationConfig(host=given["url"], subscription=given["key"])
    config.speech_recognition_language = "en-US"
    config.add_target_language("de")
    audio = sdk.audio.AudioConfig(filename=given["file"])
    recogniser = sdk.translation.TranslationRecognizer(translation_config=config, audio_config=audio)
    _canceled(recogniser.recognize_once().cancellation_details)


class Client:
    """One recogniser."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._done = threading.Event()
        self._push: Any = None
        config = sdk.SpeechConfig(host=given["url"], **({"subscription": given["key"]} if "key" in given else {}))
        if "token" in given:
            config.authorization_token = given["token"]
        if "language" in given:
            config.speech_recognition_language = given["language"]
        if "endpoint_id" in given:
            config.endpoint_id = given["endpoint_id"]
        if given.get("detailed"):
            config.output_format = sdk.OutputFormat.Detailed
            config.request_word_level_timestamps()
        if given.get("separate_channels"):
            config.set_property(sdk.PropertyId.Speech_EnableMultiChannelProcessing, "true")
        for name, value in given.get("properties", {}).items():
            config.set_property_by_name(name, value)
        for name, value in given.get("query", {}).items():
            config.set_service_property(name, value, sdk.ServicePropertyChannel.UriQueryParameter)
        audio = self._audio()
        if given["mode"] == "conversation":
            self._recogniser = sdk.transcription.ConversationTranscriber(speech_config=config, audio_config=audio)
            self._recogniser.transcribed.connect(lambda event: _say("recognized", **_result(event.result)))
        else:
            self._recogniser = sdk.SpeechRecognizer(speech_config=config, audio_config=audio, **self._languages())
            self._recogniser.recognizing.connect(lambda event: _say("recognizing", **_result(event.result)))
            self._recogniser.recognized.connect(lambda event: _say("recognized", **_result(event.result)))
        self._recogniser.canceled.connect(lambda event: _canceled(event.cancellation_details))
        self._recogniser.session_started.connect(lambda event: _say("session", id=event.session_id))
        self._recogniser.session_stopped.connect(lambda _: self._done.set())
        self._connection = sdk.Connection.from_recognizer(self._recogniser)
        self._connection.connected.connect(lambda _: _say("connected"))
        self._connection.disconnected.connect(lambda _: _say("disconnected"))
        if "steno" in given:
            self._connection.set_message_property("speech.context", "steno", json.dumps(given["steno"]))
        if "phrases" in given:
            grammar = sdk.PhraseListGrammar.from_recognizer(self._recogniser)
            for phrase in given["phrases"]:
                grammar.addPhrase(phrase)

    def run(self) -> None:
        """Does what is asked for."""
        begun = time.monotonic()
        match self._given["mode"]:
            case "once":
                for _ in range(self._given.get("times", 1)):
                    result = self._recogniser.recognize_once()
                    _say("once", **_result(result))
            case "stop":
                for seconds in self._given["seconds"]:
                    self._recogniser.start_continuous_recognition()
                    time.sleep(seconds)
                    stopping = time.monotonic()
                    self._recogniser.stop_continuous_recognition()
                    _say("stopped", seconds=time.monotonic() - stopping)
            case "conversation":
                self._recogniser.start_transcribing_async().get()
                self._done.wait(_MOST_SECONDS)
                self._recogniser.stop_transcribing_async().get()
            case _:
                self._recogniser.start_continuous_recognition()
                self._feed()
                self._done.wait(_MOST_SECONDS)
                self._recogniser.stop_continuous_recognition()
        _say("ended", seconds=time.monotonic() - begun)

    def _languages(self) -> dict[str, Any]:
        if "candidates" not in self._given:
            return {}
        candidates = sdk.languageconfig.AutoDetectSourceLanguageConfig(languages=self._given["candidates"])
        return {"auto_detect_source_language_config": candidates}

    def _audio(self) -> Any:
        if "file" in self._given:
            return sdk.audio.AudioConfig(filename=self._given["file"])
        form = dict(self._given["format"])
        if "wave" in form:
            form["wave_stream_format"] = getattr(sdk.audio.AudioStreamWaveFormat, form.pop("wave"))
        self._push = sdk.audio.PushAudioInputStream(stream_format=sdk.audio.AudioStreamFormat(**form))
        if self._given["mode"] in ("once", "stop"):
            self._push.write(Path(self._given["raw"]).read_bytes())
        return sdk.audio.AudioConfig(stream=self._push)

    def _feed(self) -> None:
        if self._push is None:
            return
        audio, size = Path(self._given["raw"]).read_bytes(), self._given.get("piece", 3200)
        for begin in range(0, len(audio), size):
            self._push.write(audio[begin : begin + size])
            time.sleep(self._given.get("pause", 0))
        self._push.close()


def _run(given: dict[str, Any]) -> None:
    match given["mode"]:
        case "speak":
            _speak(given)
        case "translate":
            _translate(given)
        case _:
            Client(given).run()


if __name__ == "__main__":
    _run(json.loads(sys.argv[1]))
