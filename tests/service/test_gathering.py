"""Audio that has come meanwhile is taken at once: all of it, in order, and not without bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.gathering import gathered


async def sent(pieces: Sequence[bytes], error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


@pytest.mark.asyncio
async def test_what_comes_while_the_taker_is_busy_is_joined() -> None:
    taken = []
    async with aclosing(gathered(sent([b"a", b"b", b"c"]), 100)) as pieces:
        async for piece in pieces:
            taken.append(piece)
            await asyncio.sleep(0.01)
    assert taken == [b"abc"]


@pytest.mark.asyncio
async def test_what_has_come_is_not_kept_until_there_is_more() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async with aclosing(gathered(slowly(), 100)) as pieces:
        assert await anext(pieces) == b"a"


@pytest.mark.asyncio
async def test_no_more_is_read_than_there_is_room_for() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(10)

    async with aclosing(gathered(endless(), 25)) as pieces:
        for turn in range(1, 4):
            assert len(await anext(pieces)) == 30
            await asyncio.sleep(0.01)
            assert read == 3 * (turn + 1)


@given(st.lists(st.binary(max_size=8), max_size=20), st.integers(1, 20))
def test_nothing_is_lost_and_an_error_comes_last(pieces: list[bytes], most_bytes: int) -> None:
    async def take() -> bytes:
        taken = b""
        async with aclosing(gathered(sent(pieces, ValueError("broken")), most_bytes)) as gathering:
            with pytest.raises(ValueError, match="broken"):
                async for piece in gathering:
                    taken += piece
        return taken

    assert asyncio.run(take()) == b"".join(pieces)


@pytest.mark.asyncio
async def test_closing_ends_the_reading() -> None:
    ended = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with aclosing(gathered(waiting(), 100)) as pieces:
        await anext(pieces)
    assert ended.is_set()
