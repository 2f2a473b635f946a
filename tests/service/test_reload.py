"""Another model without a stop: who is served by which, what becomes of the old one, and what a bad one does."""

from __future__ import annotations

import asyncio
import gc
import signal
import weakref
from types import ModuleType
from typing import Any

import grpc
import pytest

from hearken.v1 import speech_pb2 as pb
from models.errors import PackageError
from service.running import serve
from service.settings import Settings

pytestmark = pytest.mark.asyncio

CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
)


class Loader:
    """Loads fakes that are named after the setting; a package called "bad..." cannot be loaded."""

    def __init__(self, fakes: ModuleType) -> None:
        self._fakes = fakes
        self.closed: list[str] = []
        self.known: list[weakref.ref[Any]] = []

    def __call__(self, settings: Settings) -> Any:
        if settings.model == "bad":
            raise PackageError("the model package bad lacks weights.safetensors")
        if settings.model == "worse":
            raise OverflowError("nobody thought of this")
        recognizer = self._fakes.FakeRecognizer()
        recognizer.name = settings.model
        recognizer.close = lambda: self.closed.append(settings.model)
        self.known.append(weakref.ref(recognizer))
        return recognizer


async def started(running: Any) -> tuple[Any, str]:
    """A new stream and the name of its model."""
    call = running.stub.StreamingRecognize()
    await call.write(CONFIG)
    return call, (await call.read()).model


async def finish(call: Any, fakes: ModuleType) -> str:
    await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
    await call.done_writing()
    text = ""
    while (response := await call.read()) is not grpc.aio.EOF:
        text = response.results[0].alternatives[0].transcript
    assert await call.code() is grpc.StatusCode.OK
    return text


async def test_new_streams_take_the_new_model_and_the_old_one_goes_with_its_last_stream(
    serve: Any, fakes: ModuleType
) -> None:
    loader = Loader(fakes)
    settings = Settings(port=0, metrics_port=0, model="first", max_streams=7)
    async with serve(load=loader, model="first") as running:
        old, name = await started(running)
        assert name == "first"
        await running.server.reload(settings.model_copy(update={"model": "second", "models": "third"}))
        new, name = await started(running)
        assert name == "second"
        assert [model.name for model in (await running.stub.ListModels(pb.ListModelsRequest())).models] == [
            "second",
            "third",
        ]
        assert running.metric("hearken_model_info", model="second", language="en-US", device="nowhere") == 1
        assert running.metric("hearken_model_info", model="first", language="en-US", device="nowhere") == 0
        assert loader.closed == [] and loader.known[0]() is not None
        assert await finish(old, fakes) == "w1"
        async with asyncio.timeout(5):
            while loader.known[0]() is not None:
                await asyncio.sleep(0.01)
                gc.collect()
        assert loader.closed == ["first"]
        assert await finish(new, fakes) == "w1"
        assert running.metric("hearken_model_reloads_total", outcome="done") == 1
    assert sorted(loader.closed) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"model": "bad"}, "the models of before serve on: the model package bad lacks weights.safetensors"),
        ({"model": "good", "models": "worse"}, "nobody thought of this"),
        ({"model": "good", "models": "good"}, "two models are called 'good'"),
    ],
)
async def test_a_package_that_cannot_be_loaded_leaves_the_old_one_serving_and_the_log_says_why(
    serve: Any, fakes: ModuleType, caplog: pytest.LogCaptureFixture, models: dict[str, str], said: str
) -> None:
    loader = Loader(fakes)
    async with serve(load=loader, model="first") as running:
        await running.server.reload(Settings(port=0, metrics_port=0, **models))
        call, name = await started(running)
        assert name == "first"
        assert await finish(call, fakes) == "w1"
        assert said in caplog.text
        assert running.metric("hearken_model_reloads_total", outcome="failed") == 1
        assert set(loader.closed) <= {"good"} and len(loader.closed) == len(loader.known) - 1


async def test_a_reload_that_would_change_more_than_models_says_so(
    serve: Any, fakes: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(load=Loader(fakes), model="first") as running:
        await running.server.reload(Settings(port=0, metrics_port=0, drain_grace_s=1.0, model="second", max_streams=7))
    assert "HEARKEN_MAX_STREAMS need a new start" in caplog.text


async def test_a_hangup_reads_the_settings_again_and_reloads_also_while_the_server_loads(fakes: ModuleType) -> None:
    loader = Loader(fakes)
    names = iter(["second"])
    settings = Settings(port=0, metrics_port=0, drain_grace_s=0, model="first")
    serving = asyncio.create_task(serve(settings, loader, lambda: settings.model_copy(update={"model": next(names)})))
    async with asyncio.timeout(10):
        while not loader.known:
            await asyncio.sleep(0.01)
        signal.raise_signal(signal.SIGHUP)
        while loader.closed != ["first"]:
            await asyncio.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)
        assert await serving == 0
    assert loader.closed == ["first", "second"]
