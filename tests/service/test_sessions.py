"""One conversation and the door, without gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any

import pytest

from models.types import AudioFormat, Encoding, RecognitionOptions
from service.errors import Draining, InvalidRequest, ServerBusy, ServerFull, ShuttingDown, StreamTooLong, TooSlow
from service.hosting import Hosted, Hosting
from service.lanes import Lanes
from service.load import MachineLoad
from service.metrics import Metrics
from service.quotas import Caller, Quotas
from service.session import StreamLimits, Update
from service.sessions import Sessions
from service.tracing import Tracing

pytestmark = pytest.mark.asyncio

RAW = AudioFormat(Encoding.LINEAR16, 16000, 1)
NO_LIMITS = StreamLimits()


@asynccontextmanager
async def sessions_of(
    recognizer: Any, *, max_streams: int = 2, limits: StreamLimits = NO_LIMITS, cost: float = 0.0
) -> AsyncIterator[Sessions[Any]]:
    metrics = Metrics()
    lanes = Lanes(recognizer.advance, max_batch=8, metrics=metrics, on_death=lambda: None)
    hosting: Hosting[Any] = Hosting(metrics)
    hosting.replace([Hosted(recognizer, lanes)])
    quotas = Quotas(max_streams_per_peer=0)
    load = MachineLoad(cores=lambda: 2.0, cpu_share=1, max_wait_share=1, cpu_s=lambda: 0.0)
    load.rehearsed(cpu_s=10 * cost, audio_s=10.0)
    shared = {"limits": limits, "load": load, "tracing": Tracing("")}
    sessions: Sessions[Any] = Sessions(hosting, metrics, quotas=quotas, max_streams=max_streams, **shared)
    try:
        yield sessions
    finally:
        sessions.close()
        await hosting.close()


def open_session(sessions: Sessions[Any], **more: Any) -> Any:
    return sessions.open(RAW, RecognitionOptions(), caller=Caller("192.0.2.1"), stream_id="test", method="test", **more)


async def pieces(*audio: bytes) -> AsyncIterator[bytes]:
    for piece in audio:
        yield piece


async def test_a_long_message_is_taken_in_pieces_with_results_in_between(fakes: ModuleType) -> None:
    long = fakes.SPEECH * 20
    assert len(long) > 4 * fakes.PIECE_BYTES
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            updates = [update async for update in session.recognize(pieces(long))]
    assert [len(update.results) for update in updates] == [1] * 21
    assert updates[0].received_s == fakes.PIECE_BYTES / fakes.BYTES_PER_S < updates[-1].received_s == 5.0
    assert [update.recognized_s for update in updates[:3]] == [0.25, 0.5, 0.75]
    assert updates[-1].results[0].is_final


async def test_decoding_audio_does_not_hold_up_the_event_loop(
    fakes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes.FakeStream, "accept", lambda stream, data: time.sleep(0.3))
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            listening = asyncio.ensure_future(anext(session.recognize(pieces(b"x")), None))
            longest_s, before_s = 0.0, time.perf_counter()
            while not listening.done():
                await asyncio.sleep(0.005)
                longest_s, before_s = max(longest_s, time.perf_counter() - before_s), time.perf_counter()
    assert longest_s < 0.2


async def test_who_would_make_the_others_late_is_refused(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer(), cost=1.0) as sessions, AsyncExitStack() as inside:
        inside.enter_context(open_session(sessions))
        with pytest.raises(ServerBusy, match=r"busy with 1 streams.*try again in 5 s"), open_session(sessions):
            pass


async def test_a_place_is_free_again_however_its_session_ends(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer(), max_streams=1) as sessions:
        for error in (ValueError, asyncio.CancelledError, KeyboardInterrupt):
            with pytest.raises(error), open_session(sessions):
                with pytest.raises(ServerFull, match="all 1 places"), open_session(sessions):
                    pass
                raise error
        async with asyncio.timeout(1):
            await sessions.empty()


async def test_a_closed_door_keeps_those_inside_and_is_empty_when_they_have_left(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            sessions.close_door()
            with pytest.raises(ShuttingDown), open_session(sessions):
                pass
            emptied = asyncio.create_task(sessions.empty())
            assert [update async for update in session.recognize(pieces(fakes.SPEECH))]
            assert not emptied.done()
        await emptied


async def test_audio_longer_than_the_limit_is_refused_as_soon_as_it_is(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions, max_audio_s=1.5) as session:
            with pytest.raises(InvalidRequest, match=r"longer than the 1.5 s"):
                _ = [update async for update in session.recognize(pieces(fakes.SPEECH * 100))]
            assert session.received_s <= 2.1


async def test_a_session_that_is_ended_gives_the_results_of_what_it_received_then_the_reason(fakes: ModuleType) -> None:
    async def speaking() -> AsyncIterator[bytes]:
        yield fakes.SPEECH
        await asyncio.Event().wait()

    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            updates = session.recognize(speaking())
            assert not (await anext(updates)).results[0].is_final
            waiting = asyncio.ensure_future(anext(updates))
            await asyncio.sleep(0.01)
            sessions.end_all(Draining)
            sessions.end_all(Draining)
            assert (await waiting).results[0].is_final
            with pytest.raises(Draining, match=r"after 0.25 s of audio, all of which is recognized"):
                await anext(updates)


async def test_a_session_that_is_to_end_at_a_pause_takes_nothing_after_its_next_final_result(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            sessions.end_all_at_pauses(Draining)
            updates: list[Update] = []

            async def speaking() -> AsyncIterator[bytes]:
                for piece in (fakes.SPEECH, fakes.SPEECH, fakes.SILENCE):
                    yield piece
                while len(updates) < 3:
                    await asyncio.sleep(0.01)
                yield fakes.SPEECH

            with pytest.raises(Draining, match=r"after 0.75 s of audio, all of which is recognized"):
                async for update in session.recognize(speaking()):
                    updates.append(update)
    assert [update.results[0].is_final for update in updates] == [False, False, True]


async def test_a_session_that_ends_by_itself_at_the_pause_where_it_is_to_end_has_not_failed(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer()) as sessions:
        with open_session(sessions) as session:
            sessions.end_all_at_pauses(Draining)
            updates = [update async for update in session.recognize(pieces(fakes.SPEECH, fakes.SILENCE))]
    assert updates[-1].results[0].is_final


async def test_a_stream_of_the_longest_length_is_ended_with_its_results(fakes: ModuleType) -> None:
    async with sessions_of(fakes.FakeRecognizer(), limits=StreamLimits(max_stream_s=0.5)) as sessions:
        with open_session(sessions) as session:
            updates = []
            with pytest.raises(StreamTooLong, match=r"reached 0.5 s of audio"):
                async for update in session.recognize(pieces(*[fakes.SPEECH] * 9)):
                    updates.append(update)
    assert [update.results[0].is_final for update in updates] == [False, False, True]


async def test_a_stream_that_drips_is_ended_and_one_that_keeps_the_pace_is_not(fakes: ModuleType) -> None:
    async def slowly(piece: bytes) -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0.05)
            yield piece

    async with sessions_of(fakes.FakeRecognizer(), limits=StreamLimits(min_pace=1.0, pace_window_s=0.2)) as sessions:
        with open_session(sessions) as session:
            assert [update async for update in session.recognize(slowly(fakes.SPEECH))][-1].results[0].is_final
        with open_session(sessions) as session:
            with pytest.raises(TooSlow, match="less than 1 s of audio a second"):
                _ = [update async for update in session.recognize(slowly(bytes(2)))]
            assert 0 < session.received_s < 0.001
