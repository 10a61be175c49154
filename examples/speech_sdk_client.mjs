// Transcribes a WAV file of linear audio with Azure's Speech SDK against Steno: `node speech_sdk_client.mjs FILE` (docs/protocols/speech-sdk.md).
// It needs `npm install microsoft-cognitiveservices-speech-sdk`; URL and key are in STENO_URL and STENO_API_KEY.
import { readFileSync } from 'node:fs'
import * as sdk from 'microsoft-cognitiveservices-speech-sdk'

const url = new URL(process.env.STENO_URL.replace('http', 'ws'))
const config = sdk.SpeechConfig.fromHost(url, process.env.STENO_API_KEY)
const recognizer = new sdk.SpeechRecognizer(config, sdk.AudioConfig.fromWavFileInput(readFileSync(process.argv[2])))
recognizer.recognized = (_, event) => console.log(event.result.text)
recognizer.canceled = (_, event) => console.error(event.errorDetails ?? 'end of file')
recognizer.sessionStopped = () => recognizer.close()
recognizer.startContinuousRecognitionAsync()
