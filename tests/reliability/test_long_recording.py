"""Minutes in one stream, which is what hours are; on the tiny package, which hears nonsense, but always the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from long_recording import Heard, listen, loop_of, report
from serving import REAL, serving

from tests.models import conftest as tiny_model

tiny_package = tiny_model.tiny_package


@pytest.mark.asyncio
async def test_neither_memory_nor_text_changes_with_the_time(tiny_package: Path, samples_dir: Path) -> None:
    loop = loop_of([samples_dir / "two-sentences.wav"])
    async with serving(REAL, model=tiny_package, cpu_share=100, max_wait_share=100) as server:
        heard = await listen(server, loop, 200.0)
    assert len(heard.inner_loops) == heard.same_loops > 15, report(heard)
    # 130 s of audio and its frames would be 13 MB.
    assert heard.memory_after(1.0) < heard.memory_after(1 / 3) + 8, report(heard)


def test_memory_that_grows_and_text_that_changes_are_found() -> None:
    good = Heard(120.0, 10.0, [(0.0, 300.0), (40.0, 500.0), (120.0, 501.0)], ["a b", "a", "a", "a a"])
    assert good.holds() and "2 of 2" in report(good)
    assert not dataclasses.replace(good, memory_mb=[(0.0, 300.0), (40.0, 500.0), (120.0, 600.0)]).holds()
    assert not dataclasses.replace(good, loops=["a b", "a", "b", "a"]).holds()
