"""The reliability diagram: of the words with a confidence, how many are right?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")

from matplotlib import pyplot

Floats = npt.NDArray[np.float64]

_BINS = 10


def draw(corpora: Mapping[str, tuple[Floats, Floats]], file: Path) -> None:
    """corpora: name -> confidences [N] and whether each word is right [N]. Writes a PNG."""
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(5, 6), height_ratios=[3, 1], sharex=True, layout="constrained"
    )
    above.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="honest")
    for name, (confidences, right) in corpora.items():
        bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
        filled = np.unique(bins)
        above.plot(
            [confidences[bins == own].mean() for own in filled],
            [right[bins == own].mean() for own in filled],
            marker="o",
            label=name,
        )
        below.hist(confidences, bins=_BINS, range=(0, 1), histtype="step", weights=np.full(len(right), 1 / len(right)))
    above.set_ylabel("share of words that are right")
    above.legend()
    below.set_ylabel("share of words")
    below.set_xlabel("confidence")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
