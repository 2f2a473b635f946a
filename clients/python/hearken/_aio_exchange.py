"""One stream with asyncio: audio out, responses in, over as many connections as it takes.

The counterpart of `_exchange.py`, with tasks instead of threads; what does not wait is shared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import grpc
import grpc.aio

from hearken import _wire
from hearken._audio import AudioChunk, chunk_bytes
from hearken._connection import Connection
from hearken._errors import ConnectionFailed, HearkenError, error_of
from hearken._exchange import PACE_S
from hearken._request import Request
from hearken._resume import Resumption
from hearken.v1 import speech_pb2 as pb


class AsyncExchange:
    """One stream; `responses` may be called once. closed: set when the client is closed."""

    def __init__(
        self,
        stub: Callable[[], Any],
        connection: Connection,
        request: Request,
        timeout_s: float | None,
        closed: asyncio.Event,
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._request = request
        self._resumption = Resumption(request, connection.reconnect, timeout_s)
        self._replay = self._resumption.replay
        self._closed = closed
        self._call: Any = None
        self._failure: Exception | None = None  # what the audio has raised
        # One task at a time reads: the one that sends, or, while that is kept waiting, one that `_watch` begins.
        self._chunks = chunks_of(request.audio)
        self._reader: asyncio.Task[None] | None = None
        self._is_relieved = False
        self._idle_since_s = time.monotonic()
        self._changed = asyncio.Event()

    @property
    def audio_s(self) -> float | None:
        """How much audio there was; None if only the server can tell."""
        return self._replay.audio_s

    async def responses(self) -> AsyncGenerator[pb.StreamingRecognizeResponse, None]:
        """All responses, as if there were one connection. Raises HearkenError, and what the audio raises."""
        watch = _watch()
        watch.add(self)
        try:
            while True:
                try:
                    async with self._attempt() as call:
                        async for response in call:
                            self._resumption.accept(response)
                            yield response
                    return
                except HearkenError as error:
                    if self._failure is not None:
                        raise self._failure from None
                    if self._closed.is_set():
                        raise
                    delay_s = self._resumption.delay_s(error)
                    if self._resumption.is_complete:
                        return
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closed.wait(), delay_s)
                        raise
                if self._failure is not None:
                    raise self._failure
        finally:
            watch.remove(self)
            if self._reader is not None:
                await _end(self._reader)

    @asynccontextmanager
    async def _attempt(self) -> AsyncGenerator[Any, None]:
        """A call that is sent the audio. Raises HearkenError, and what the audio raises."""
        timeout_s = self._resumption.begin()
        call = self._stub().StreamingRecognize(timeout=timeout_s, metadata=self._connection.call_metadata())
        self._call = call
        ending = _Ending(call)
        sender = asyncio.create_task(self._send(call))
        try:
            yield call
        except grpc.RpcError as error:
            await ending.settle()
            if ending.code() is not grpc.StatusCode.OK:
                raise error_of(ending, self._connection.server) from error
        except asyncio.CancelledError:
            # Either this task was cancelled, or the call: because the audio failed, or by close().
            if self._failure is not None:
                raise self._failure from None
            if self._closed.is_set():
                raise ConnectionFailed("the client was closed during this stream") from None
            raise
        finally:
            call.cancel()
            self._call = None
            if self._reader is not sender:  # audio that is being waited for would be lost; it reads on for the next
                await _end(sender)

    async def _send(self, call: Any) -> None:
        try:
            await call.write(self._request.config)
            this = asyncio.current_task()
            while await self._has_audio(call, this):
                await call.write(_wire.audio_request(self._replay.take()))
                self._idle_since_s = time.monotonic()
                self._changed.set()  # there is room again
            if self._call is call and self._failure is None:
                await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            return  # the call is over; the reader of its responses learns why

    async def _has_audio(self, call: Any, this: asyncio.Task[None] | None) -> bool:
        """Whether there is more to send by this call, for which this task waits."""
        replay = self._replay
        while self._call is call and self._failure is None:
            if replay.has_unsent:
                return True
            if replay.is_finished:
                return False
            if self._reader is None:
                self._reader = this
                await self._read(call)
            else:
                self._is_relieved = True
                await self._change()
        return False

    async def _read(self, call: Any = None) -> None:
        """Reads until there is something to send for this call, or another one wants to read, or the end."""
        self._is_relieved = False
        try:
            async for chunk in self._chunks:
                self._replay.append(chunk_bytes(chunk))
                if self._may_stop(call):
                    return
                self._changed.set()
                while not (self._may_stop(call) or self._replay.wants_more):
                    await self._change()
                if self._may_stop(call):
                    return
            self._replay.finish()
        except Exception as error:
            self._failure = error
            if self._call is not None:
                self._call.cancel()
        finally:
            self._reader = None
            self._idle_since_s = time.monotonic()
            self._changed.set()

    def _may_stop(self, call: Any) -> bool:
        return self._is_relieved or (call is not None and self._call is call)

    async def _change(self) -> None:
        """Waits until something has changed, or for a moment."""
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), PACE_S)

    def keep_up(self) -> None:
        """Begins to read in a task of its own if nobody has read for a while."""
        is_over = self._replay.is_finished or self._failure is not None
        if self._reader is None and not is_over and time.monotonic() - self._idle_since_s >= PACE_S:
            self._reader = asyncio.create_task(self._read())


class _Watch:
    """One timer for all streams of an event loop: sees to it that audio is read while its sender is kept waiting."""

    def __init__(self) -> None:
        self._exchanges: set[AsyncExchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: AsyncExchange) -> None:
        """A stream begins."""
        self._exchanges.add(exchange)
        if self._timer is None:
            self._look()

    def remove(self, exchange: AsyncExchange) -> None:
        """A stream is over."""
        self._exchanges.discard(exchange)
        if self._timer is not None and not self._exchanges:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        for exchange in self._exchanges:
            exchange.keep_up()
        self._timer = asyncio.get_running_loop().call_later(PACE_S, self._look)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _watch() -> _Watch:
    return _watches.setdefault(asyncio.get_running_loop(), _Watch())


# What grpc.aio says of a call whose write has failed, and how long the server's own status may take after that.
_WRITE_FAILED = "Internal error from Core"
_STATUS_LIMIT_S = 1.0
_STATUS_POLL_S = 0.005


class _Ending:
    """How a call ended, as the server said.

    Kept when it comes, because a write that fails a moment later overwrites it in the call with INTERNAL
    (https://github.com/grpc/grpc/issues/36066). If the write fails a moment earlier, INTERNAL comes first.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._status: tuple[grpc.StatusCode, str, Any, Any] | None = None
        call.add_done_callback(self._keep)

    async def settle(self) -> None:
        """Waits for what the server said, if so far only a write has failed."""
        limit_s = time.monotonic() + _STATUS_LIMIT_S
        while self.details() == _WRITE_FAILED and time.monotonic() < limit_s:
            await asyncio.sleep(_STATUS_POLL_S)
            self._status = None
            self._keep(self._call)

    def _keep(self, call: Any) -> None:
        if self._status is None:
            parts = call.code(), call.details(), call.initial_metadata(), call.trailing_metadata()
            code, details, initial, trailing = map(_at_once, parts)
            self._status = code, details, initial, trailing

    def code(self) -> grpc.StatusCode:
        return self._status[0] if self._status else grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return self._status[1] if self._status else ""

    def initial_metadata(self) -> Any:
        return self._status[2] if self._status else None

    def trailing_metadata(self) -> Any:
        return self._status[3] if self._status else None


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise AssertionError("the status of a call that is done was not there")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


_END = object()


def chunks_of(audio: Iterable[AudioChunk] | AsyncIterable[AudioChunk]) -> AsyncIterator[AudioChunk]:
    """The audio, asynchronously; what is not asynchronous is iterated over in a thread, so that it may wait."""
    return aiter(audio) if isinstance(audio, AsyncIterable) else _in_a_thread(audio)


async def _in_a_thread(audio: Iterable[AudioChunk]) -> AsyncIterator[AudioChunk]:
    iterator = iter(audio)
    while (chunk_or_end := await asyncio.to_thread(next, iterator, _END)) is not _END:
        yield chunk_or_end  # type: ignore[misc]
