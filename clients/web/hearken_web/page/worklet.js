// On the audio thread: samples of any rate become 16-bit pieces of a tenth of a second, which are posted to the page.
const PIECE_S = 0.1;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate * PIECE_S)); // sampleRate: of the worklet's global scope
    this.filled = 0;
    this.port.onmessage = () => {
      this.post(); // asked to flush: what is left of the last piece
      this.port.postMessage(null);
    };
  }

  process([channels]) {
    const frames = channels.length ? channels[0].length : 0;
    for (let i = 0; i < frames; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const sample = Math.max(-1, Math.min(1, sum / channels.length));
      this.piece[this.filled++] = Math.round(sample * 32767);
      if (this.filled === this.piece.length) this.post();
    }
    return true;
  }

  post() {
    if (!this.filled) return;
    const piece = this.piece.slice(0, this.filled);
    this.port.postMessage(piece, [piece.buffer]);
    this.filled = 0;
  }
}

registerProcessor("capture", Capture);
