"""Reads a caller's audio ahead while what came before is at work, so that a stream that is late takes larger pieces.

What a piece costs hardly depends on its length: so streams cost less when there are many, and catch up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator


async def gathered(audio: AsyncIterator[bytes], most_bytes: int) -> AsyncGenerator[bytes, None]:
    """The audio, joined where several messages have come meanwhile; no more are read once there are so many bytes.

    What the audio raises is raised after what came before it. Close it (`aclosing`) to end the reading.
    """
    pieces: list[bytes] = []
    changed, has_room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async for piece in audio:
            pieces.append(piece)
            changed.set()
            while sum(map(len, pieces)) >= most_bytes:
                has_room.clear()
                await has_room.wait()

    reading = asyncio.create_task(read())
    reading.add_done_callback(lambda _: changed.set())
    try:
        while True:
            while not pieces and not reading.done():
                changed.clear()
                await changed.wait()
            if not pieces:
                reading.result()
                return
            data = b"".join(pieces)
            pieces.clear()
            has_room.set()
            yield data
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
