"""A real server around the fake recognizer, on free ports."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest

from hearken.v1 import speech_pb2_grpc
from service.app import Server
from service.settings import Settings


def _import_fakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hearken_service_fakes", Path(__file__).with_name("fakes.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_fakes = _import_fakes()


@pytest.fixture
def fakes() -> ModuleType:
    """The module fakes.py, for tests that run without packages under tests/."""
    return _fakes


@dataclass
class Running:
    """A server that has loaded its fake, and a client of it."""

    server: Server
    recognizer: Any
    channel: grpc.aio.Channel
    stub: Any

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        return self.server.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def serve(fakes: ModuleType) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """`async with serve(recognizer, max_streams=2) as running:`."""

    @contextlib.asynccontextmanager
    async def serve(
        recognizer: Any = None, load: Callable[[Settings], Any] | None = None, **settings: Any
    ) -> AsyncIterator[Running]:
        recognizer = recognizer or fakes.FakeRecognizer()
        chosen = Settings(**{"port": 0, "metrics_port": 0, "drain_grace_s": 1.0, **settings})
        server = Server(chosen, load or (lambda _: recognizer))
        await server.start()
        try:
            await server.load()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield Running(server, recognizer, channel, speech_pb2_grpc.SpeechStub(channel))
        finally:
            await server.stop()

    return serve


@pytest.fixture
def end_of() -> Callable[[Any], Awaitable[tuple[grpc.StatusCode, str]]]:
    """How a call ends, whatever it still has to say."""

    async def end_of(call: Any) -> tuple[grpc.StatusCode, str]:
        with contextlib.suppress(grpc.aio.AioRpcError):
            while hasattr(call, "read") and await call.read() is not grpc.aio.EOF:
                pass
        return await call.code(), await call.details() or ""

    return end_of
