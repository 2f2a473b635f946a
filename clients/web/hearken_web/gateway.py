"""The gateway: the page's files, its WebSocket carried to a Hearken server through the SDK, and subtitles of its words.

It holds no state beyond one WebSocket; reconnects to the server are the SDK's work. Messages are `messages.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from hearken import AsyncClient, ConnectionOptions, HearkenError, to_srt, to_vtt
from hearken_web.messages import BadMessage, check_end, options_of, result_message, utterances_of

PAGE = Path(__file__).with_name("page")

FIRST_MESSAGE_S = 10.0
"""How long a browser may take to say what it wants."""

LARGEST_BODY_BYTES = 16 * 1024 * 1024
"""Of the words that subtitles are made of: those of some days."""

_BAD_REQUEST, _TOO_LARGE = 400, 413
_POLICY_VIOLATION, _SERVER_FAILED = 1008, 1011  # of RFC 6455

_RENDERERS = {"srt": (to_srt, "application/x-subrip"), "vtt": (to_vtt, "text/vtt")}

logger = logging.getLogger(__name__)


def application(server: str, connection: ConnectionOptions | None = None) -> Starlette:
    """The ASGI application for one Hearken server."""

    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        async with AsyncClient(server, **(connection or {})) as client:
            app.state.client = client
            yield

    return Starlette(
        lifespan=connected,
        routes=[
            WebSocketRoute("/stream", captions),
            Route("/subtitles/{format}", subtitles, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
    )


async def captions(websocket: WebSocket) -> None:
    """One browser's audio, and what is heard in it."""
    if not _is_own_page(websocket):
        await websocket.close(_POLICY_VIOLATION)
        return
    await websocket.accept()
    client: AsyncClient = websocket.app.state.client
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            options = options_of(await websocket.receive_text())
        async with aclosing(client.stream(_audio(websocket), **options)) as results:
            async for result in results:
                await websocket.send_json(result_message(result))
        await websocket.send_json({"type": "done"})
        await websocket.close()
    except WebSocketDisconnect:
        pass  # who has closed the page wants to hear nothing
    except TimeoutError:
        await _refuse(websocket, f"nothing was said for {FIRST_MESSAGE_S:g} s", _POLICY_VIOLATION)
    except (BadMessage, KeyError) as error:  # KeyError: Starlette's, of a message that is binary and not text
        sentence = str(error) if isinstance(error, BadMessage) else "the first message is text"
        await _refuse(websocket, sentence, _POLICY_VIOLATION)
    except HearkenError as error:
        logger.warning("%s", error)
        await _refuse(websocket, str(error), _SERVER_FAILED)


async def subtitles(request: Request) -> Response:
    """Subtitles of the words in the body; one definition of cues for the SDK, the command and the page."""
    if request.path_params["format"] not in _RENDERERS:
        return PlainTextResponse(f"subtitles are {' or '.join(_RENDERERS)}\n", _BAD_REQUEST)
    render, media_type = _RENDERERS[request.path_params["format"]]
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY_BYTES:
            return PlainTextResponse("these are too many words for one file\n", _TOO_LARGE)
    try:
        utterances = utterances_of(body.decode(errors="replace"))
    except BadMessage as error:
        return PlainTextResponse(f"{error}\n", _BAD_REQUEST)
    return Response(render(utterances), media_type=f"{media_type}; charset=utf-8")


async def _audio(websocket: WebSocket) -> AsyncIterator[bytes]:
    """The audio until its end. Raises WebSocketDisconnect, BadMessage."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if message.get("bytes"):
            yield message["bytes"]
        elif message.get("text"):
            check_end(message["text"])
            return


def _is_own_page(websocket: WebSocket) -> bool:
    """Whether the page came from here: browsers let any page open a WebSocket, but they say whose it is."""
    origin = websocket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == websocket.headers.get("host")


async def _refuse(websocket: WebSocket, sentence: str, code: int) -> None:
    try:
        await websocket.send_json({"type": "error", "message": sentence})
        await websocket.close(code)
    except (WebSocketDisconnect, RuntimeError):
        logger.debug("the page was closed before it could be told: %s", sentence)
