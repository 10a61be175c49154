"""Transcribes a WAV file with Azure's Speech SDK against Steno (`docs/protocols/speech-sdk.md`).

`python speech_sdk_client.py FILE` needs `pip install azure-cognitiveservices-speech`; URL and key are in STENO_URL and
STENO_API_KEY.
"""

import os
import sys
import threading

import azure.cognitiveservices.speech as speechsdk

config = speechsdk.SpeechConfig(host=os.environ["STENO_URL"].replace("http", "ws", 1), subscription=os.environ["STENO_API_KEY"])
recognizer = speechsdk.SpeechRecognizer(config, speechsdk.audio.AudioConfig(filename=sys.argv[1]))
done = threading.Event()
recognizer.recognized.connect(lambda event: print(event.result.text))
recognizer.canceled.connect(lambda event: print(event.cancellation_details.error_details or "end of file", file=sys.stderr))
recognizer.session_stopped.connect(lambda _: done.set())
recognizer.start_continuous_recognition()
done.wait()
recognizer.stop_continuous_recognition()
