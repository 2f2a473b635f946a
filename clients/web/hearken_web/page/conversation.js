// One WebSocket to the gateway: what is wanted, audio, results. hearken_web/messages.py describes the messages.

/** handlers: result(message), done(), failed(sentence); after done or failed nothing more comes. */
export class Conversation {
  constructor(options, handlers) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/stream`);
    this.socket.binaryType = "arraybuffer";
    this.waiting = [JSON.stringify(options)]; // until the socket is open
    this.isOver = false;
    this.socket.onopen = () => {
      for (const message of this.waiting) this.socket.send(message);
      this.waiting = null;
    };
    this.socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "result") handlers.result(message);
      else if (message.type === "done") this.end(handlers.done);
      else this.end(() => handlers.failed(message.message));
    };
    this.socket.onclose = () => this.end(() => handlers.failed("The connection to the gateway was lost."));
  }

  sendAudio(piece) {
    this.send(piece);
  }

  finish() {
    this.send(JSON.stringify({ type: "end" }));
  }

  send(message) {
    if (this.isOver) return;
    if (this.waiting) this.waiting.push(message);
    else this.socket.send(message);
  }

  end(tell) {
    if (this.isOver) return;
    this.isOver = true;
    this.socket.close();
    tell();
  }
}
