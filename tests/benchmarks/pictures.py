"""Draws what `bench.py` has measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from streams import Step

_TITLES = {
    "interim": "interim text after its audio",
    "final": "final text after its utterance",
    "user_perceived_of_interim_words": "a word of interim text after its end",
}


def draw(found: Mapping[int, Sequence[Step]], output: Path) -> None:
    """latency in ms -> its steps. Writes latency.png and resources.png."""
    figure, axes = pyplot.subplots(1, len(_TITLES), figsize=(13, 4), sharey=True, layout="constrained")
    for axis, (name, title) in zip(axes, _TITLES.items(), strict=True):
        for latency_ms, steps in found.items():
            heard = [step for step in steps if step.figures["milliseconds"][name]["count"]]
            counts = [step.figures["streams"] for step in heard]
            for quantile, style in (("p50", "-"), ("p99", "--")):
                times = [step.figures["milliseconds"][name][quantile] for step in heard]
                axis.plot(counts, times, style, marker="o", markersize=3, label=f"{latency_ms} ms, {quantile}")
        axis.set(title=title, xlabel="streams in real time", yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("ms")
    axes[0].legend()
    figure.savefig(output / "latency.png", dpi=120)

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for latency_ms, steps in found.items():
        counts = [step.figures["streams"] for step in steps]
        axes[0].plot(counts, [step.cores for step in steps], marker="o", label=f"{latency_ms} ms")
        axes[1].plot(counts, [step.memory_mb for step in steps], marker="o", label=f"{latency_ms} ms")
    axes[0].set(title="CPU of the server", xlabel="streams in real time", ylabel="cores")
    axes[1].set(title="memory of the server", xlabel="streams in real time", ylabel="MB", ylim=(0, None))
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(output / "resources.png", dpi=120)
