"""From log probabilities of phones and letters to numbers that a user can rely on: calibrated, between 0 and 1.

The two numbers of each calibration are fitted on the development set (`python -m models.evaluation.calibrate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_LEAST, _MOST = 0.01, 0.99  # 0 means "not estimated", and nothing is certain


def calibrated(log_prob: float, scale: float, offset: float) -> float:
    """The probability of being right: a logistic function of a mean log probability."""
    value = max(-60.0, min(60.0, scale * log_prob + offset))
    return min(_MOST, max(_LEAST, 1 / (1 + math.exp(-value))))


def of_all(confidences: Sequence[float]) -> float:
    """The mean confidence of some words: the share of them that is expected to be right. 0: there are none."""
    return sum(confidences) / len(confidences) if confidences else 0.0
