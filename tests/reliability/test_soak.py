"""A soak of seconds, around the fake recognizer: the load is what it says, and what goes wrong is found."""

from __future__ import annotations

import pytest
from good_callers import Heard
from serving import FAKE, serving
from soak import Soaked, Watched, report, soak

pytestmark = pytest.mark.asyncio

SPEECH = b"\x01\x02" * 4000 * 4


async def test_a_short_soak_holds() -> None:
    async with serving(FAKE, drain_grace_s=1, max_wait_share=100) as server:
        soaked = await soak(server, [(SPEECH, "w1 w2 w3 w4")], streams=4, seconds=5.0)
    assert soaked.heard.right >= 8 and soaked.files_right >= 2 and soaked.harm > 100
    assert not (soaked.heard.wrong or soaked.heard.failed or soaked.files_wrong), soaked
    assert len(soaked.watched.memory_mb) >= 2


def soaked_with(*, wrong: list[str], memory_mb: list[float], lags_s: list[float] | None = None) -> Soaked:
    """lags_s: of results that came evenly over the 100 s."""
    lags = lags_s or [0.2]
    heard = Heard(right=9, wrong=wrong, lags=[(n * 100.0 / len(lags), lag) for n, lag in enumerate(lags)])
    watched = Watched([2.0 * n for n in range(len(memory_mb))], memory_mb, [30.0] * len(memory_mb))
    return Soaked(heard, watched, 3, [], 100, 0.0, 100.0)


async def test_a_wrong_transcript_and_memory_that_grows_are_problems_and_noise_is_none() -> None:
    noisy = [500.0 + 8 * (n % 3) for n in range(50)]
    assert soaked_with(wrong=[], memory_mb=noisy).problems() == []
    assert "everything held" in report(soaked_with(wrong=[], memory_mb=noisy), 4, "2 cores")
    growing = soaked_with(wrong=["'a' instead of 'b'"], memory_mb=[500.0 + 10 * n for n in range(50)])
    assert [problem.split()[0] for problem in growing.problems()] == ["1", "memory"]


async def test_results_that_come_later_in_the_end_than_in_the_middle_are_a_problem() -> None:
    def problems(end_s: float, count: int) -> list[str]:
        lags_s = [0.5] * (4 * count) + [end_s] * count
        return soaked_with(wrong=[], memory_mb=[500.0] * 50, lags_s=lags_s).problems()

    assert problems(0.55, 10_000) == []
    assert problems(0.7, 10_000) == ["p99 of the lag is 700 ms in the last fifth, 500 in the third"]
    assert problems(0.7, 100) == [], "too few to say"
