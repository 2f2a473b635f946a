"""What new lengths and new numbers of streams cost: memory that stays, and CPU time of the model.

`python tests/benchmarks/shapes.py`. In one process, without a server: the first chunks of 1 to 64 streams, twice, then
utterances of ever new lengths.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable
from typing import Annotated

import numpy as np
import psutil
import typer

from models.shapes import keep_compiled
from models.threads import limit_threads

_RATE_HZ = 16_000
_MOST_STREAMS = 64
_CHUNK_S = 1.0
"""Audio for one chunk at the usual latency."""
_SHORTEST_S, _LONGEST_S = 1.0, 15.0
_BLOCK = 100


def main(utterances: Annotated[int, typer.Option(help="how many, of random lengths")] = 400) -> None:
    """Prints resident memory and CPU time after each part."""
    limit_threads(0)
    keep_compiled()
    from models.package import find_package
    from models.recognizer import Recognizer
    from models.stream import Stream
    from models.types import AudioFormat, Encoding, RecognitionOptions

    recognizer = Recognizer.load(find_package("english"), "cpu")
    noise = np.random.default_rng(0).normal(0, 3000, round(_LONGEST_S * _RATE_HZ)).astype("<i2")
    chance = random.Random(0)

    def opened(seconds: float, *, interim: bool) -> Stream:
        options = RecognitionOptions(interim=interim)
        stream = recognizer.open_stream(AudioFormat(Encoding.LINEAR16, _RATE_HZ, 1), options)
        stream.accept(noise[: round(seconds * _RATE_HZ)].tobytes())
        return stream

    def utterance() -> Stream:
        stream = opened(chance.uniform(_SHORTEST_S, _LONGEST_S), interim=False)
        stream.finish()
        return stream

    def measured(what: str, batches: Iterable[list[Stream]]) -> None:
        cpu_s = 0.0
        for batch in batches:
            began_s = time.thread_time()
            recognizer.advance(batch)
            cpu_s += time.thread_time() - began_s
        memory_mb = psutil.Process().memory_info().rss / 2**20
        sys.stdout.write(f"{what}: {memory_mb:.0f} MB, {cpu_s:.2f} s of CPU\n")

    measured("loaded", [])
    for turn in ("first", "second"):
        counts = range(1, _MOST_STREAMS + 1)
        measured(
            f"chunks of 1 to {_MOST_STREAMS} streams, the {turn} time",
            ([opened(_CHUNK_S, interim=True) for _ in range(n)] for n in counts),
        )
    for done in range(_BLOCK, utterances + 1, _BLOCK):
        measured(f"{done} utterances", ([utterance()] for _ in range(_BLOCK)))


if __name__ == "__main__":
    typer.run(main)
