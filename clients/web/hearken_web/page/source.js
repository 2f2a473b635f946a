// Where audio comes from: a microphone, or a recording that is played. Both give 16-bit pieces through the worklet.

async function open() {
  const context = new AudioContext();
  await context.audioWorklet.addModule("worklet.js");
  await context.resume();
  const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  return { context, capture };
}

function started({ context, capture }, release) {
  let stopped = null;

  async function end() {
    await new Promise((resolve) => {
      const give = capture.port.onmessage;
      capture.port.onmessage = (event) => (event.data === null ? resolve() : give(event));
      capture.port.postMessage("flush");
    });
    release();
    await context.close();
  }

  const source = {
    sampleRateHz: context.sampleRate,
    onPiece: () => {},
    onEnd: () => {}, // of a recording that was played to its end
    /** Resolves when the last piece was given. */
    stop() {
      stopped ??= end();
      return stopped;
    },
  };
  capture.port.onmessage = (event) => source.onPiece(event.data);
  return source;
}

/** Asks for the microphone. Rejects with a DOMException if there is none or it is not allowed. */
export async function openMicrophone() {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false },
  });
  const opened = await open();
  opened.context.createMediaStreamSource(stream).connect(opened.capture);
  return started(opened, () => stream.getTracks().forEach((track) => track.stop()));
}

/** Plays a recording, so that it is heard while its text comes. Rejects if the browser cannot decode it. */
export async function playRecording(file) {
  const opened = await open();
  const player = opened.context.createBufferSource();
  player.buffer = await opened.context.decodeAudioData(await file.arrayBuffer());
  player.connect(opened.capture);
  player.connect(opened.context.destination);
  const source = started(opened, () => player.stop());
  player.onended = () => source.onEnd();
  player.start();
  return source;
}
