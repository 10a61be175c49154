// A client of Azure's Speech SDK for JavaScript: what it is to do comes as JSON, and each event goes out as a line.
import { readFileSync } from 'node:fs'
import * as sdk from 'microsoft-cognitiveservices-speech-sdk'

const given = JSON.parse(process.argv[2])
const say = (event, about) => console.log(JSON.stringify({ event, ...about }))
const told = (result) => ({
  reason: sdk.ResultReason[result.reason],
  text: result.text ?? '',
  offset_ms: Math.floor(result.offset / 10000),
  duration_ms: Math.floor(result.duration / 10000),
  json: result.json ? JSON.parse(result.json) : {},
})
const promised = (work) => new Promise((done, failed) => work(done, failed))
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

const config = sdk.SpeechConfig.fromHost(new URL(given.url), given.key)
config.speechRecognitionLanguage = given.language ?? 'en-US'
if (given.detailed) config.outputFormat = sdk.OutputFormat.Detailed
if (given.separate_channels) config.setProperty(sdk.PropertyId.Speech_EnableMultiChannelProcessing, 'true')
const stream = sdk.AudioInputStream.createPushStream(
  given.format.wave === 'MULAW'
    ? sdk.AudioStreamFormat.getWaveFormat(8000, 8, given.format.channels, sdk.AudioFormatTag.MuLaw)
    : sdk.AudioStreamFormat.getWaveFormatPCM(given.format.samples_per_second, 16, given.format.channels),
)
const recogniser = new sdk.SpeechRecognizer(config, sdk.AudioConfig.fromStreamInput(stream))
recogniser.sessionStarted = (_, event) => say('session', { id: event.sessionId })
recogniser.recognizing = (_, event) => say('recognizing', told(event.result))
recogniser.recognized = (_, event) => say('recognized', told(event.result))
recogniser.canceled = (_, event) => say('canceled', { code: sdk.CancellationErrorCode[event.errorCode], text: event.errorDetails ?? '' })
sdk.Connection.fromRecognizer(recogniser).disconnected = () => say('disconnected', {})

async function feed () {
  const audio = readFileSync(given.raw)
  const size = given.piece ?? 3200
  for (let begin = 0; begin < audio.length; begin += size) {
    const piece = audio.subarray(begin, begin + size)
    stream.write(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length))
    if (given.pause) await sleep(1000 * given.pause)
  }
  stream.close()
}

if (given.mode === 'once') {
  feed()
  say('once', told(await promised((done, failed) => recogniser.recognizeOnceAsync(done, failed))))
} else {
  const stopped = promised((done) => { recogniser.sessionStopped = done })
  await promised((done, failed) => recogniser.startContinuousRecognitionAsync(done, failed))
  await feed()
  await stopped
}
recogniser.close()
say('ended', {})
setTimeout(() => process.exit(0), 200)
