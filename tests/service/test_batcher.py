"""The batcher: who goes when, with whom, and what happens when a step fails. No server, no audio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from models.errors import DeviceLost, OutOfMemory
from service.batcher import Batcher
from service.errors import EngineStopped
from service.metrics import Metrics

pytestmark = pytest.mark.asyncio

Advance = Callable[[Sequence[str]], list[list[str]]]


class Engine:
    """Echoes names; holds every call until it is let go, if asked to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.held = False

    def advance(self, names: Sequence[str]) -> list[list[str]]:
        self.batches.append(list(names))
        self.entered.release()
        if self.held:
            self.let_go.acquire()
        return [[name.upper()] for name in names]


@asynccontextmanager
async def batcher_of(
    advance: Advance, *, max_batch: int = 64, on_death: Callable[[], None] = lambda: None
) -> AsyncIterator[Batcher[str, str]]:
    batcher = Batcher(advance, max_batch=max_batch, metrics=Metrics(), on_death=on_death)
    try:
        yield batcher
    finally:
        batcher.close()


async def start(batcher: Batcher[str, str], names: Sequence[str]) -> list[asyncio.Task[list[str]]]:
    """Lets the callers queue up, in this order."""
    tasks = [asyncio.create_task(batcher.advance(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def entered(engine: Engine) -> None:
    assert await asyncio.to_thread(engine.entered.acquire, timeout=5)


async def test_a_lone_stream_runs_at_once() -> None:
    engine = Engine()
    async with batcher_of(engine.advance) as batcher:
        assert await batcher.advance("a") == ["A"]
        assert await batcher.advance("a") == ["A"]
    assert engine.batches == [["a"], ["a"]]


async def test_a_busy_engine_takes_all_that_wait_up_to_the_limit_oldest_first() -> None:
    engine = Engine()
    engine.held = True
    async with batcher_of(engine.advance, max_batch=3) as batcher:
        first = await start(batcher, ["a"])
        await entered(engine)
        others = await start(batcher, ["b", "c", "d", "e"])
        engine.held = False
        engine.let_go.release()
        assert await asyncio.gather(*first, *others) == [["A"], ["B"], ["C"], ["D"], ["E"]]
    assert engine.batches == [["a"], ["b", "c", "d"], ["e"]]


async def test_nobody_starves_among_streams_that_always_come_back() -> None:
    engine = Engine()
    done = asyncio.Event()
    turns = dict.fromkeys("abcdef", 0)

    async def keep_coming(batcher: Batcher[str, str], name: str) -> None:
        while not done.is_set():
            await batcher.advance(name)
            turns[name] += 1
            if turns[name] == 50:
                done.set()

    async with batcher_of(engine.advance, max_batch=2) as batcher:
        await asyncio.gather(*(keep_coming(batcher, name) for name in turns))
    assert min(turns.values()) >= 48


async def test_only_the_guilty_stream_fails() -> None:
    def advance(names: Sequence[str]) -> list[list[str]]:
        if "bad" in names:
            raise ValueError("a bad one")
        return engine.advance(names)

    engine = Engine()
    engine.held = True
    async with batcher_of(advance) as batcher:
        first = await start(batcher, ["a"])
        await entered(engine)
        others = await start(batcher, ["b", "bad", "c"])
        engine.held = False
        engine.let_go.release()
        outcomes = await asyncio.gather(*first, *others, return_exceptions=True)
        assert outcomes[:2] + outcomes[3:] == [["A"], ["B"], ["C"]]
        assert isinstance(outcomes[2], ValueError)
        assert await batcher.advance("d") == ["D"]


async def test_a_batch_that_does_not_fit_the_memory_is_halved_and_later_ones_stay_that_small() -> None:
    def advance(names: Sequence[str]) -> list[list[str]]:
        results = engine.advance(names)
        if len(names) > 2 or "vast" in names:
            raise OutOfMemory("no room")
        return results

    engine = Engine()
    engine.held = True
    async with batcher_of(advance) as batcher:
        first = await start(batcher, ["a"])
        await entered(engine)
        others = await start(batcher, ["b", "c", "d", "e"])
        engine.held = False
        engine.let_go.release()
        assert await asyncio.gather(*first, *others) == [["A"], ["B"], ["C"], ["D"], ["E"]]
        assert engine.batches == [["a"], ["b", "c", "d", "e"], ["b", "c"], ["d", "e"]]
        outcomes = await asyncio.gather(*(batcher.advance(name) for name in ("f", "vast")), return_exceptions=True)
        assert outcomes[0] == ["F"] and isinstance(outcomes[1], OutOfMemory)
        engine.batches.clear()
        await asyncio.gather(*(batcher.advance(name) for name in "hijk"))
        assert max(map(len, engine.batches)) <= 2


async def test_a_lost_device_ends_the_thread_instead_of_being_tried_again() -> None:
    tries: list[Sequence[str]] = []
    deaths: list[str] = []

    def advance(names: Sequence[str]) -> list[list[str]]:
        tries.append(names)
        raise DeviceLost("gone")

    async with batcher_of(advance, on_death=lambda: deaths.append("died")) as batcher:
        outcomes = await asyncio.gather(*await start(batcher, ["a", "b"]), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineStopped] * 2
        await asyncio.sleep(0.01)
    assert deaths == ["died"] and len(tries) == 1


async def test_a_wrong_number_of_results_is_an_error_not_a_mix_up() -> None:
    async with batcher_of(lambda names: []) as batcher:
        with pytest.raises(RuntimeError, match="0 lists of results for 1 streams"):
            await batcher.advance("a")


async def test_a_cancelled_caller_is_dropped_before_the_batch_is_formed() -> None:
    engine = Engine()
    engine.held = True
    async with batcher_of(engine.advance) as batcher:
        first = await start(batcher, ["a"])
        await entered(engine)
        gone, stays = await start(batcher, ["gone", "stays"])
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        engine.held = False
        engine.let_go.release()
        await asyncio.gather(*first, stays)
    assert engine.batches == [["a"], ["stays"]]


async def test_a_caller_cancelled_during_its_step_leaves_only_when_the_engine_has_let_go_of_the_stream() -> None:
    engine = Engine()
    engine.held = True
    async with batcher_of(engine.advance) as batcher:
        (task,) = await start(batcher, ["a"])
        await entered(engine)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        engine.let_go.release()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_dead_inference_thread_fails_everybody_and_says_so() -> None:
    deaths: list[str] = []

    def advance(names: Sequence[str]) -> list[list[str]]:
        if names[0] == "killer":
            engine.advance(names)
            raise SystemExit
        return engine.advance(names)

    engine = Engine()
    engine.held = True
    async with batcher_of(advance, on_death=lambda: deaths.append("died")) as batcher:
        tasks = await start(batcher, ["killer"])
        await entered(engine)
        tasks += await start(batcher, ["b", "c"])
        engine.let_go.release()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineStopped] * 3
        with pytest.raises(EngineStopped):
            await batcher.advance("late")
        await asyncio.sleep(0.01)
        assert deaths == ["died"]


async def test_closing_ends_the_thread_and_tells_whoever_waits() -> None:
    engine = Engine()
    engine.held = True
    deaths: list[str] = []
    batcher = Batcher(engine.advance, max_batch=1, metrics=Metrics(), on_death=lambda: deaths.append("died"))
    first = await start(batcher, ["a"])
    await entered(engine)
    waiting = await start(batcher, ["b"])
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    await asyncio.sleep(0.02)
    engine.let_go.release()
    await closing
    assert await first[0] == ["A"]
    with pytest.raises(EngineStopped):
        await waiting[0]
    assert deaths == []
