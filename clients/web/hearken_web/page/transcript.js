// The transcript on the page: final text with its words, the interim text below it, and the keyboard's way through it.

const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(0).padStart(2, "0")}`;

export class Transcript {
  constructor(log, interim, details) {
    this.log = log;
    this.interim = interim;
    this.details = details;
    this.utterances = []; // the messages of final results, with the times of this transcript
    this.offsetS = 0; // of the audio that is running, behind all that was before it
    log.addEventListener("keydown", (event) => this.onKey(event));
    for (const kind of ["mouseover", "focusin"]) log.addEventListener(kind, (event) => this.tell(event.target));
  }

  get text() {
    return this.utterances.map((utterance) => `${utterance.text}\n`).join("");
  }

  /** Further audio begins; its times go on where the last ended. */
  begin() {
    this.offsetS = this.utterances.length ? this.utterances.at(-1).end_s : 0;
  }

  clear() {
    this.utterances = [];
    this.offsetS = 0;
    this.log.replaceChildren();
    this.interim.replaceChildren();
  }

  show(result) {
    if (result.is_final) {
      this.interim.replaceChildren();
      if (result.text) this.add(result);
      return;
    }
    const mayChange = document.createElement("span");
    mayChange.className = "may-change";
    mayChange.textContent = result.text.slice(result.committed_chars);
    this.interim.replaceChildren(result.text.slice(0, result.committed_chars), mayChange);
  }

  add(result) {
    const shift = (item) => ({ ...item, start_s: item.start_s + this.offsetS, end_s: item.end_s + this.offsetS });
    const utterance = { ...shift(result), words: result.words.map(shift) };
    this.utterances.push(utterance);
    const time = document.createElement("span");
    time.className = "time";
    time.textContent = clock(utterance.start_s);
    const paragraph = document.createElement("p");
    paragraph.append(time, " ", ...utterance.words.flatMap((word) => [this.wordElement(word), " "]));
    if (!utterance.words.length) paragraph.append(utterance.text);
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.log.append(paragraph);
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  wordElement(word) {
    const element = document.createElement("span");
    element.className = "word";
    element.tabIndex = -1; // reached by the arrow keys, not by hundreds of tabs
    element.textContent = word.text;
    const sure = word.confidence === null ? "" : `, ${Math.round(word.confidence * 100)} % sure`;
    element.dataset.when = `“${word.text}”: ${word.start_s.toFixed(2)} to ${word.end_s.toFixed(2)} s${sure}`;
    element.title = element.dataset.when;
    if (word.confidence !== null) {
      element.dataset.confidence = word.confidence.toFixed(2);
      element.style.setProperty("--confidence", word.confidence);
    }
    return element;
  }

  tell(element) {
    if (element.dataset.when) this.details.textContent = element.dataset.when;
  }

  onKey(event) {
    const words = [...this.log.querySelectorAll(".word")];
    const at = words.indexOf(document.activeElement);
    const target = {
      ArrowRight: Math.min(at + 1, words.length - 1),
      ArrowLeft: at < 0 ? words.length - 1 : Math.max(at - 1, 0),
      Home: 0,
      End: words.length - 1,
    }[event.key];
    if (target === undefined || !words.length) return;
    event.preventDefault();
    words[target].focus();
  }
}
