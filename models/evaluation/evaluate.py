"""Error rates of a model package: `python -m models.evaluation.evaluate --data FOLDER`.

Rows: the final result as a stream or a file gets it (endpointing, whole-utterance pass, language model), interim text
at each latency as it stands when the last chunk has come, and both passes greedily, without lexicon and language model:
what the package's speller writes, if it has one, else letters. Below: how many words of interim results are taken back
again in a minute of a stream.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.acoustic.model import Emissions
from models.decoding.beam import BeamDecoder
from models.decoding.greedy import greedy_ids
from models.decoding.spelled import SpellingDecoder
from models.device import open_device, use_threads
from models.evaluation.revoked import revoked_words
from models.evaluation.wer import error_rates
from models.features import LogMel
from models.package import UNITS, find_package, open_package
from models.recognizer import Recognizer, load_model
from models.training.data import Utterance, read_audio, read_corpus
from models.types import DEFAULT_LATENCY_MS, AudioFormat, Encoding, RecognitionOptions, Result
from models.vocabulary import Vocabulary

_PCM = AudioFormat(Encoding.LINEAR16, 16_000, 1)
_PACKET_BYTES = 16_000 * 2 // 10
_FINAL, _GREEDY = "final, with language model", "whole utterance, greedy"


@dataclass(frozen=True, slots=True)
class _Heard:
    """texts: by way of recognition. revoked: words of interim results that did not stay."""

    texts: dict[str, str]
    revoked: int


class _Evaluator:
    """One process's recognizer, and the same model without its decoder."""

    def __init__(self, folder: Path, device: str, whole: bool) -> None:
        use_threads(1)
        package = open_package(folder)
        self.recognizer = Recognizer(package, open_device(device))
        self.model = load_model(package, open_device(device))
        self.decoder = BeamDecoder(package)
        self.vocabulary = Vocabulary(package.path(UNITS))
        self.speller = SpellingDecoder(package) if package.config.speller else None
        self.log_mel = LogMel(package.config.features)
        self.latencies = {} if whole else package.config.latencies

    @torch.inference_mode()
    def hear(self, utterance: Utterance) -> _Heard:
        """What each way of recognition makes of one utterance."""
        audio = read_audio(utterance.path)
        results = self._streamed(audio.tobytes())
        texts = {_FINAL: " ".join(result.alternatives[0].transcript for result in results if result.is_final)}
        frames = self.log_mel(torch.from_numpy(audio.astype(np.float32) / 32768))
        length = torch.tensor([len(frames)])
        texts[_GREEDY] = self._greedy(self.model(frames.unsqueeze(0), length))
        for latency_ms, shape in self.latencies.items():
            emissions = self.model(frames.unsqueeze(0), length, shape)
            search = self.decoder.interim(output_s=self.model.output_s)
            texts[f"interim at {latency_ms} ms"] = search.accept(emissions.phones[0]).text
            texts[f"chunks of {latency_ms} ms, greedy"] = self._greedy(emissions)
        return _Heard(texts, revoked_words(results))

    def _streamed(self, audio: bytes) -> list[Result]:
        """All results, as a caller gets them who sends while it is spoken."""
        stream = self.recognizer.open_stream(_PCM, RecognitionOptions(word_info=False))
        results: list[Result] = []
        for start in range(0, len(audio), _PACKET_BYTES):
            stream.accept(audio[start : start + _PACKET_BYTES])
            results += self.recognizer.drain(stream)
        stream.finish()
        return results + self.recognizer.drain(stream)

    def _greedy(self, emissions: Emissions) -> str:
        if self.speller:
            return self.speller.text(emissions.phones[0])
        return self.vocabulary.decode([symbol for _, symbol in greedy_ids(emissions.letters[0])])


_evaluator: _Evaluator | None = None


def _hear(folder: Path, device: str, whole: bool, utterance: Utterance) -> _Heard:
    global _evaluator  # one a process, made with the first utterance
    if _evaluator is None:
        _evaluator = _Evaluator(folder, device, whole)
    return _evaluator.hear(utterance)


def evaluate(
    data: Annotated[Path, typer.Option(help="corpus folder: manifest.tsv, or a LibriSpeech-style tree")],
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")] = "cpu",
    jobs: Annotated[int, typer.Option(help="processes")] = 2,
    limit: Annotated[int, typer.Option(help="use every n-th utterance so that about this many remain; 0: all")] = 0,
    whole: Annotated[bool, typer.Option("--whole", help="leave out the latencies")] = False,
    output: Annotated[Path | None, typer.Option(help="write the rates (JSON) and, beside it, the texts (TSV)")] = None,
) -> None:
    """Print word and character error rates of a model package on a corpus."""
    utterances = read_corpus(data)
    if limit:
        utterances = utterances[:: max(1, len(utterances) // limit)]
    folder = find_package(model)
    console = Console()
    with ProcessPoolExecutor(jobs) as pool:
        found = pool.map(_hear, repeat(folder), repeat(device), repeat(whole), utterances, chunksize=8)
        heard = list(track(found, total=len(utterances), description="recognizing", console=console, transient=True))
    texts = [own.texts for own in heard]
    references = [utterance.transcript for utterance in utterances]
    hours = sum(utterance.seconds for utterance in utterances) / 3600
    table = Table(title=f"{model} on {data.name}: {len(utterances)} utterances, {hours:.2f} h")
    for heading in ("", "WER %", "CER %", "substituted", "deleted", "inserted"):
        table.add_column(heading, justify="right" if heading else "left")
    rates = {way: error_rates(references, [t[way] for t in texts]) for way in texts[0]}
    for way, rate in rates.items():
        counts = (rate.substitutions, rate.deletions, rate.insertions)
        table.add_row(way, f"{rate.wer:.2f}", f"{rate.cer:.2f}", *(str(count) for count in counts))
    console.print(table)
    revoked = sum(own.revoked for own in heard) / hours / 60
    console.print(f"words of interim results at {DEFAULT_LATENCY_MS} ms that did not stay: {revoked:.1f} a minute")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({way: asdict(rate) for way, rate in rates.items()}, indent=2) + "\n")
        lines = ["\t".join(("utt_id", "reference", *texts[0]))]
        lines += ["\t".join((u.utt_id, u.transcript, *t.values())) for u, t in zip(utterances, texts, strict=True)]
        output.with_suffix(".tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(evaluate)
