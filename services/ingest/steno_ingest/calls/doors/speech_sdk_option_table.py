"""Every option that Speech SDK clients can set, and what Steno does with it. Pure values.

The table of `docs/protocols/speech-sdk-options.md` is made of it, and a test reads each example to see that it is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Answer(StrEnum):
    """What Steno does with an option."""

    SERVED = "served"
    #: It changes nothing, and is no error.
    PASSED_OVER = "passed over"
    #: The client gets an error that says so.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkOption:
    """An option, with an example of each way in which clients send it."""

    #: As the SDK for Python names it.
    name: str
    answer: Answer
    #: What it means here.
    note: str
    query: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


def _detection(**values: Any) -> Mapping[str, Any]:
    return {"phraseDetection": values}


OPTIONS = (
    SdkOption(
        name="speech_recognition_language",
        answer=Answer.SERVED,
        note="The language of the call. One that no loaded model knows ends the connection with BadRequest and the reason.",
        query="language=de-de",
        context=_detection(language="de-DE"),
    ),
    SdkOption(
        name="AutoDetectSourceLanguageConfig",
        answer=Answer.SERVED,
        note="The engine finds the language among those that it knows; phrases say it (`PrimaryLanguage`).",
        query="lidEnabled=en-US,de-DE",
        context={"languageId": {"languages": ["en-US", "de-DE"], "mode": "DetectContinuous"}},
    ),
    SdkOption(
        name="endpoint_id",
        answer=Answer.SERVED,
        note="The name of a model that the operator has loaded; another one ends the connection with the reason.",
        query="cid=base.en",
    ),
    SdkOption(
        name="output_format, request_word_level_timestamps",
        answer=Answer.SERVED,
        note="One alternative (`NBest`) with confidence, `Lexical`, `ITN`, `MaskedITN`, `Display`, `Words` and `DisplayWords`. "
        "Numbers in `Lexical` are written as in `Display`.",
        query="format=detailed&wordLevelTimestamps=true&wordLevelConfidence=true",
        context={"phraseOutput": {"format": "Detailed", "detailed": {"options": ["WordTimings", "WordConfidence"]}}},
    ),
    SdkOption(
        name="set_profanity",
        answer=Answer.SERVED,
        note="Raw, masked or removed. Without it: raw; at Azure: masked.",
        query="profanity=masked",
        context=_detection(enrichment={"profanity": "Masked"}),
    ),
    SdkOption(
        name="PhraseListGrammar",
        answer=Answer.SERVED,
        note="Given to the engine, which may use it (`docs/decisions/0018-what-was-said.md`): the first 200 phrases, of each "
        "128 characters. The weight is passed over. More than about 1,500 phrases do not fit into a message of 64 KB, and "
        "end the connection.",
        context={"dgi": {"Groups": [{"Type": "Generic", "Items": [{"Text": "Contoso"}]}], "bias": 1.5}},
    ),
    SdkOption(
        name="Speech_SegmentationSilenceTimeoutMs",
        answer=Answer.SERVED,
        note="The silence that ends a phrase, 100 to 5000 ms.",
        context=_detection(mode="CONVERSATION", CONVERSATION={"segmentation": {"segmentationSilenceTimeoutMs": 300}}),
    ),
    SdkOption(
        name="Speech_SegmentationStrategy = Semantic",
        answer=Answer.PASSED_OVER,
        note="Phrases end by silence.",
        context=_detection(mode="CONVERSATION", CONVERSATION={"segmentation": {"mode": "Semantic"}}),
    ),
    SdkOption(
        name="SpeechServiceConnection_EndSilenceTimeoutMs",
        answer=Answer.SERVED,
        note="As Speech_SegmentationSilenceTimeoutMs, which counts where both are set.",
        query="endSilenceTimeoutMs=800",
        context=_detection(trailingSilenceTimeout=800),
    ),
    SdkOption(
        name="SpeechServiceConnection_InitialSilenceTimeoutMs",
        answer=Answer.SERVED,
        note="After so much silence at the beginning of a turn its client gets NoMatch with InitialSilenceTimeout; "
        "`recognize_once` ends with it (without the option: after 5 s). It is noticed up to 5 s late.",
        query="initialSilenceTimeoutMs=8000",
        context=_detection(initialSilenceTimeout=8000),
    ),
    SdkOption(
        name="recognize_once",
        answer=Answer.SERVED,
        note="The turn ends with its first phrase.",
        context=_detection(mode="Interactive"),
    ),
    SdkOption(
        name="enable_dictation",
        answer=Answer.PASSED_OVER,
        note="Punctuation follows from what is said, not from spoken commands.",
        context=_detection(mode="Dictation"),
    ),
    SdkOption(
        name="Speech_EnableMultiChannelProcessing",
        answer=Answer.SERVED,
        note="Phrases and hypotheses have their `Channel`. Without it both channels are recognised all the same.",
        config={"context": {"audio": {"source": {"SeparateChannelProcessing": "true"}}}},
    ),
    SdkOption(
        name="ConversationTranscriber",
        answer=Answer.SERVED,
        note="With two channels or more the speakers are Guest-1, Guest-2, … by channel. In one channel speakers are not told "
        "apart: everything is of speaker Unknown.",
        context=_detection(mode="Conversation", speakerDiarization={"mode": "Anonymous", "diarizeIntermediates": "True"}),
    ),
    SdkOption(
        name="call id, properties and roles",
        answer=Answer.SERVED,
        note='`Connection.set_message_property("speech.context", "steno", …)` with `callId`, `properties` and `roles`, or the '
        "header or query parameter `X-Steno-Call-Id`. Without them the id of the call is that of the session.",
        context={"steno": {"callId": "crm-7", "properties": {"queue": "sales"}, "roles": ["agent", "customer"]}},
    ),
    SdkOption(
        name="stable partial results",
        answer=Answer.PASSED_OVER,
        note="Hypotheses come as they are.",
        query="stableIntermediateThreshold=3",
        context={"phraseOutput": {"interimResults": {"stableThreshold": 3}}},
    ),
    SdkOption(
        name="post processing = TrueText",
        answer=Answer.PASSED_OVER,
        note="Punctuation and capitals are the engine's.",
        query="postprocessing=TrueText",
        context={"phraseDetection": {"enrichment": {"conversation": {"punctuationMode": "Implicit"}}}},
    ),
    SdkOption(
        name="enable_audio_logging",
        answer=Answer.PASSED_OVER,
        note="Whether calls are recorded is the operator's setting.",
        query="storeAudio=true",
    ),
    SdkOption(
        name="set_service_property",
        answer=Answer.PASSED_OVER,
        note="Any other parameter or header.",
        query="punctuation=explicit",
    ),
    SdkOption(
        name="TranslationRecognizer",
        answer=Answer.REFUSED,
        note="No translator can be set up yet.",
        query="from=en-us&to=de",
        context={"translation": {"targetLanguages": ["de"]}},
    ),
    SdkOption(
        name="PronunciationAssessmentConfig",
        answer=Answer.REFUSED,
        note="Not part of Steno.",
        context={"pronunciationAssessment": {"referenceText": "good morning"}},
    ),
    SdkOption(
        name="keyword verification, IntentRecognizer, DialogServiceConnector",
        answer=Answer.REFUSED,
        note="Not part of Steno.",
        context={"keywordDetection": {"type": "StartTrigger"}, "intent": {"provider": "LUIS"}},
    ),
    SdkOption(
        name="SpeechSynthesizer",
        answer=Answer.REFUSED,
        note="Its addresses are refused with BadRequest and the reason.",
    ),
)
"""All options of the SDK's clients."""
