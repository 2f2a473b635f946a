"""Fits the numbers that make confidences and stabilities honest: `python -m models.evaluation.calibrate --data FOLDER`.

A word's confidence is right if of all words with confidence 0.8 four of five are right. Fitted on one corpus (the
development set) and, with --check, measured on another: the expected calibration error is the mean distance between
confidence and truth over ten bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import jiwer
import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from rich.table import Table

from models.acoustic.state import STEP_S
from models.decoding.beam import BeamDecoder
from models.decoding.confidence import calibrated
from models.evaluation.emissions import chunked_phone_log_probs, phone_log_probs
from models.evaluation.reliability import draw
from models.package import Package, find_package, open_package, write_checksums, write_config
from models.training.data import Utterance, read_corpus

Floats = npt.NDArray[np.float64]

_BINS = 10
_STEPS = 50
_RIDGE = 1e-3


def right_words(reference: str, text: str) -> list[bool]:
    """For each word of the text whether the best alignment finds it in the reference."""
    right = [False] * len(text.split())
    if not reference or not text:
        return right
    for chunk in jiwer.process_words(reference, text).alignments[0]:
        if chunk.type == "equal":
            right[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    return right


def fit(log_probs: Floats, right: Floats) -> tuple[float, float]:
    """Scale and offset of the logistic function that fits shares [N] of being right best (Newton's method)."""
    inputs = np.stack([log_probs, np.ones_like(log_probs)], axis=1)
    weights = np.zeros(2)
    for _ in range(_STEPS):
        predicted = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (right - predicted) - _RIDGE * weights
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        weights += np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])


def calibration_error(confidences: Floats, right: Floats) -> float:
    """Expected calibration error, 0 to 1."""
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    distances = [abs(confidences[bins == own].mean() - right[bins == own].mean()) for own in np.unique(bins)]
    return float(np.dot(distances, [np.mean(bins == own) for own in np.unique(bins)]))


def word_samples(package: Package, utterances: Sequence[Utterance]) -> tuple[Floats, Floats]:
    """Mean log probability of each recognized word's phones, and whether it is right."""
    decoder = BeamDecoder(package)
    log_probs: list[float] = []
    right: list[bool] = []
    for utterance, emissions in zip(utterances, phone_log_probs(package, utterances), strict=True):
        for best in decoder.decode(emissions):
            log_probs += (word.log_prob for word in best.words)
            right += right_words(utterance.transcript, best.text)
    return np.array(log_probs), np.array(right, dtype=np.float64)


def stability_samples(package: Package, utterances: Sequence[Utterance], latency_ms: int) -> tuple[Floats, Floats]:
    """Mean log probability of each utterance's interim words, and the share of them that the final text has."""
    decoder, shape = BeamDecoder(package), package.config.latencies[latency_ms]
    output_s = STEP_S / package.config.acoustic.outputs_per_step
    samples = []
    for chunked, whole in zip(
        chunked_phone_log_probs(package, utterances, shape), phone_log_probs(package, utterances), strict=True
    ):
        interim, final = decoder.interim(output_s=output_s).accept(chunked), decoder.decode(whole)
        if interim.words and final:
            samples.append((interim.log_prob, np.mean(right_words(final[0].text, interim.text))))
    found = np.array(samples)
    return found[:, 0], found[:, 1]


def calibrate(
    data: Annotated[Path, typer.Option(help="corpus to fit on: the development set")],
    check: Annotated[Path | None, typer.Option(help="corpus to measure the fit on, too")] = None,
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    latency_ms: Annotated[int, typer.Option(help="of interim text")] = 640,
    limit: Annotated[int, typer.Option(help="use every n-th utterance so that about this many remain; 0: all")] = 0,
    write: Annotated[bool, typer.Option("--write", help="put the numbers into the package")] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG of the words' confidences against the truth")] = None,
) -> None:
    """Print the numbers for `decoding` in the package's config.json, and how good they are."""
    torch.set_num_threads(1)
    package = open_package(find_package(model))
    table = Table(title=f"{model}, fitted on {data.name}")
    for heading in ("", "scale", "offset", "samples", "right %", "error", "error elsewhere"):
        table.add_column(heading, justify="right" if heading else "left")
    corpora = [_some(read_corpus(folder), limit) for folder in (data, check) if folder is not None]
    names = [folder.name for folder in (data, check) if folder is not None]
    words = [word_samples(package, utterances) for utterances in corpora]
    found: dict[str, Any] = {}
    interim = [stability_samples(package, utterances, latency_ms) for utterances in corpora]
    for name, samples in (("word_confidence", words), ("stability", interim)):
        scale, offset = fit(*samples[0])
        found |= {f"{name}_scale": round(scale, 3), f"{name}_offset": round(offset, 3)}
        confidences = [
            np.array([calibrated(float(own), scale, offset) for own in log_probs]) for log_probs, _ in samples
        ]
        truths = [right for _, right in samples]
        errors = list(map(calibration_error, confidences, truths))
        if picture is not None and name == "word_confidence":
            draw(dict(zip(names, zip(confidences, truths, strict=True), strict=True)), picture)
        row = [f"{scale:.3f}", f"{offset:.3f}", str(len(samples[0][0])), f"{100 * samples[0][1].mean():.1f}"]
        table.add_row(name, *row, f"{errors[0]:.3f}", f"{errors[1]:.3f}" if check else "")
    Console().print(table)
    if write:
        write_config(package.folder, replace(package.config, decoding=replace(package.config.decoding, **found)))
        write_checksums(package.folder)


def _some(utterances: list[Utterance], limit: int) -> list[Utterance]:
    return utterances[:: max(1, len(utterances) // limit)] if limit else utterances


if __name__ == "__main__":
    typer.run(calibrate)
