"""A fit finds the numbers that samples were made with, and the error of honest confidences is small."""

from __future__ import annotations

import numpy as np
import pytest

from models.decoding.confidence import calibrated, of_all
from models.evaluation.calibrate import calibration_error, fit, right_words

SCALE, OFFSET = 1.7, 2.3


def test_the_fit_finds_scale_and_offset_and_makes_confidences_honest() -> None:
    random = np.random.default_rng(0)
    log_probs = -random.exponential(1.5, 20_000)
    right = (random.random(20_000) < 1 / (1 + np.exp(-(SCALE * log_probs + OFFSET)))).astype(float)
    scale, offset = fit(log_probs, right)
    assert (scale, offset) == pytest.approx((SCALE, OFFSET), abs=0.1)
    honest = np.array([calibrated(own, scale, offset) for own in log_probs])
    assert calibration_error(honest, right) < 0.02
    assert calibration_error(np.minimum(honest + 0.3, 1), right) > 0.1


@pytest.mark.parametrize("log_prob", [0.0, -3.0, -1e9, float("-inf"), 1e9])
def test_a_confidence_is_never_0_nor_1(log_prob: float) -> None:
    assert 0 < calibrated(log_prob, SCALE, OFFSET) < 1


def test_the_confidence_of_a_result_is_the_share_of_words_expected_to_be_right() -> None:
    assert of_all([0.5, 1.0]) == 0.75
    assert of_all([]) == 0.0


def test_words_are_right_where_the_best_alignment_has_them() -> None:
    assert right_words("the rain in spain", "the train in new spain") == [True, False, True, False, True]
    assert right_words("", "a b") == [False, False]
    assert right_words("a", "") == []
