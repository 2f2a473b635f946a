"""The load generator: what it measures of callers whose arrivals are known, and that it calls as it says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hearken import Alternative, AudioClock, Result, Word
from hearken._command.app import app
from hearken._command.load_calls import Call
from hearken._command.load_figures import figures_of, percentiles
from hearken.v1 import speech_pb2 as pb


def interim(text: str, end_s: float, received_s: float) -> Result:
    return Result((Alternative(text),), False, 0.0, end_s, clock=AudioClock(received_s, end_s), model="fake")


def final(text: str, ends_s: list[float], end_s: float) -> Result:
    words = tuple(Word(word, at_s - 0.2, at_s) for word, at_s in zip(text.split(), ends_s, strict=True))
    return Result((Alternative(text, None, words),), True, 0.0, end_s, clock=AudioClock(end_s, end_s), model="fake")


def test_each_wait_is_from_the_sound_to_the_text() -> None:
    call = Call(audio_s=3.0)
    call.arrivals = [
        (0.9, interim("god", 0.6, 0.8)),
        (1.3, interim("good morn", 1.0, 1.2)),
        (1.7, interim("good morning", 1.4, 1.6)),
        (2.9, final("good morning all", [0.5, 1.0, 1.4], 2.5)),
    ]
    figures = figures_of([call])
    waits = figures["milliseconds"]
    assert waits["interim"] == {"count": 3, "p50": 300.0, "p90": 300.0, "p99": 300.0, "max": 300.0}
    assert waits["final"]["max"] == 400.0
    # "good" at 1.3 after 0.5, "morning" at 1.7 after 1.0, "all" only in the final text: 2.9 after 1.4.
    assert (waits["user_perceived"]["p50"], waits["user_perceived"]["max"]) == (800.0, 1500.0)
    # "god" at 0.9 is good enough, so is "morn" at 1.3.
    assert (waits["user_perceived_any_spelling"]["p50"], waits["user_perceived_any_spelling"]["max"]) == (400.0, 1500.0)
    assert waits["user_perceived_of_interim_words"]["max"] == 400.0
    assert figures["words_only_in_final_text"] == 1
    assert waits["lag"]["max"] == 200.0
    assert (figures["words"], figures["audio_s"], figures["models"]) == (3, 3.0, ["fake"])


def test_words_of_an_utterance_are_not_looked_for_in_another() -> None:
    call = Call(audio_s=4.0)
    second = Result((Alternative("good", None, (Word("good", 2.8, 3.0),)),), True, 1.0, 3.5, utterance=1)
    call.arrivals = [(1.2, final("good", [0.5], 1.0)), (4.0, second)]
    assert figures_of([call])["milliseconds"]["user_perceived"]["p50"] == pytest.approx(850.0)


def test_refused_failed_and_late_callers_are_counted() -> None:
    calls = [Call(1.0), Call(1.0, refused_s=0.05), Call(1.0, failure="ServerError: no"), Call(1.0, late_s=3.0)]
    figures = figures_of(calls)
    assert (figures["calls"], figures["refused"], figures["behind"]) == (4, 1, 1)
    assert figures["failed"] == {"ServerError: no": 1}
    assert figures["milliseconds"]["refusal"]["max"] == 50.0
    assert figures["milliseconds"]["interim"] == {"count": 0}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_percentiles_are_those_of_numpy(seconds: list[float]) -> None:
    found = percentiles(seconds)
    for share in (50, 90, 99):
        assert found[f"p{share}"] == pytest.approx(1000 * np.percentile(seconds, share), abs=0.051)


@pytest.fixture
def recording(tmp_path: Path, make_wav: Any, make_tone: Any) -> Path:
    (tmp_path / "talk.wav").write_bytes(make_wav(make_tone(0.35)))
    return tmp_path


def load(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["load", *map(str, arguments)])


def test_callers_speak_at_the_speed_of_speech_and_all_is_in_the_json(
    server: Any, recording: Path, tmp_path: Path
) -> None:
    output = tmp_path / "figures.json"
    began_s = time.monotonic()
    result = load(
        recording, "--streams", "3", "--seconds", "0.1", "--json", "--output", output, "--server", server.address
    )
    assert (result.exit_code, result.stderr) == (0, "")
    figures = json.loads(result.stdout)
    assert figures == json.loads(output.read_text())
    assert (figures["streams"], figures["words"]) == (3, 5 * figures["calls"])
    assert figures["milliseconds"]["final"]["count"] == 2 * figures["calls"]
    assert figures["milliseconds"]["user_perceived"]["count"] == figures["words"]
    assert time.monotonic() - began_s > 0.35
    packets = [audio for audio in server.speech.audio if len(audio) == 3200]
    assert len(packets) == 3 * figures["calls"]  # of 100 ms, and one of 50 ms


def test_several_processes_call(server: Any, recording: Path) -> None:
    result = load(recording, "--streams", "2", "--seconds", "0.1", "--processes", "2", "--server", server.address)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].strip() == "2 streams, default latency, fake"
    assert any(line.split()[:4] == ["word", "after", "its", "end"] for line in lines)
    assert "calls: 0 refused, 0 failed, 0 behind; " in result.stdout
    assert len(server.speech.contexts) >= 3  # of ListModels and of both callers


def test_each_connection_is_one(server: Any, recording: Path) -> None:
    callers: set[str] = set()

    def note(requests: Any, context: Any) -> Any:
        callers.add(context.peer())
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "as the test wants it")
        yield pb.StreamingRecognizeResponse()

    server.speech.script = note
    options = ("--streams", "6", "--seconds", "0.1", "--connections", "3", "--server", server.address)
    assert load(recording, *options).exit_code == 0
    assert len(callers) == 3


def test_a_full_server_is_a_figure_and_a_broken_one_a_failure(server: Any, recording: Path) -> None:
    codes = iter([grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL])

    def turn_away(requests: Any, context: Any) -> Any:
        context.abort(next(codes), "as the test wants it")
        yield pb.StreamingRecognizeResponse()

    server.speech.script = turn_away
    options = ("--streams", "1", "--seconds", "0.1", "--json", "--server", server.address)
    full, broken = load(recording, *options), load(recording, *options)
    assert (full.exit_code, json.loads(full.stdout)["refused"]) == (0, 1)
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["failed"] == {"ServerError: as the test wants it": 1}


def test_wrong_use_is_told(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = load(tmp_path / "empty")
    assert nothing.exit_code == 2
    assert "there are no recordings" in nothing.stderr
    nobody = load(recording, "--server", "127.0.0.1:1")
    assert nobody.exit_code == 1
    assert "no Hearken server answers" in nobody.stderr
