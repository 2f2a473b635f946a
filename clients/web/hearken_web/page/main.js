// The page: its buttons, what is running, and how late the text is. Everything else is in the modules that it imports.

import { Conversation } from "./conversation.js";
import { save } from "./save.js";
import { openMicrophone, playRecording } from "./source.js";
import { Transcript } from "./transcript.js";
import { Waveform } from "./waveform.js";

const element = (id) => document.getElementById(id);
const transcript = new Transcript(element("transcript"), element("interim"), element("word"));
const waveform = new Waveform(element("waveform"));
let running = null; // { source, conversation, sentS, isStopping } while audio comes and until its last text

function tell(sentence) {
  element("status").textContent = sentence;
}

function showMeter(name, seconds) {
  element(`${name}-meter`).value = Math.max(0, seconds);
  element(`${name}-value`).textContent = `${Math.round(Math.max(0, seconds) * 1000)} ms`;
}

function refresh() {
  const isEmpty = !transcript.utterances.length;
  for (const id of ["save-txt", "save-srt", "save-vtt"]) element(id).disabled = isEmpty;
  element("clear").disabled = isEmpty || running !== null;
  element("recording").disabled = running !== null;
  element("latency").disabled = running !== null;
  element("microphone").setAttribute("aria-pressed", String(running !== null));
  element("microphone").textContent = running ? "Stop" : "Start microphone";
}

function onResult(result) {
  transcript.show(result);
  if (!result.is_final) {
    // A piece is spoken when it is over; what came since then is not counted, which is a tenth of a second at most.
    showMeter("latency", running.sentS - result.end_s);
  }
  if (result.received_s !== null) showMeter("lag", result.received_s - result.recognized_s);
  refresh();
}

function over(sentence) {
  const { source } = running;
  running = null;
  element("interim").replaceChildren();
  tell(sentence);
  refresh();
  return source;
}

async function start(openSource, sentence) {
  tell("Waiting for the sound.");
  const source = await openSource();
  const options = { sample_rate_hz: source.sampleRateHz, latency_ms: Number(element("latency").value) };
  transcript.begin();
  waveform.clear();
  const conversation = new Conversation(options, {
    result: onResult,
    done: () => over("Done."),
    failed: (reason) => over(`It failed: ${reason}`).stop(),
  });
  running = { source, conversation, sentS: 0, isStopping: false };
  source.onPiece = (piece) => {
    waveform.accept(piece);
    if (running) running.sentS += piece.length / source.sampleRateHz;
    conversation.sendAudio(piece);
  };
  source.onEnd = stop;
  tell(sentence);
  refresh();
}

async function stop() {
  if (!running || running.isStopping) return;
  running.isStopping = true;
  const { source, conversation } = running;
  tell("Waiting for the last words.");
  await source.stop();
  conversation.finish();
}

function run(action) {
  return async (event) => {
    try {
      await action(event);
    } catch (error) {
      tell(`It failed: ${error.message}`);
    }
  };
}

element("microphone").onclick = run(() => (running ? stop() : start(openMicrophone, "Listening.")));
element("recording").onchange = run(async (event) => {
  const [file] = event.target.files;
  if (file) await start(() => playRecording(file), `Playing ${file.name}.`);
  event.target.value = "";
});
for (const format of ["txt", "srt", "vtt"]) element(`save-${format}`).onclick = run(() => save(transcript, format));
element("clear").onclick = () => {
  transcript.clear();
  tell("Ready.");
  refresh();
};

function setTheme(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  element("theme").setAttribute("aria-pressed", String(isDark));
  waveform.draw();
}

element("theme").onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
