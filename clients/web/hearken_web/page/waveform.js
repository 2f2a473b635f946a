// The last seconds of sound as bars of their peaks, one for each piece.

const SHOWN_PIECES = 120;

export class Waveform {
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = [];
  }

  clear() {
    this.peaks = [];
    this.draw();
  }

  accept(piece) {
    let peak = 0;
    for (const sample of piece) peak = Math.max(peak, Math.abs(sample));
    this.peaks.push(peak / 32768);
    if (this.peaks.length > SHOWN_PIECES) this.peaks.shift();
    this.draw();
  }

  draw() {
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    const step = width / SHOWN_PIECES;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.canvas).color; // the theme's
    this.peaks.forEach((peak, i) => {
      const bar = Math.max(2, Math.sqrt(peak) * height); // quiet speech is to be seen, too
      context.fillRect((i + SHOWN_PIECES - this.peaks.length) * step, (height - bar) / 2, step * 0.7, bar);
    });
  }
}
