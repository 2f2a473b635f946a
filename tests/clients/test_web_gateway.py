"""The gateway of the captions page, on a port of its own, between a WebSocket and the fake speech server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hearken_web import gateway
from tests.clients.captions_page import PATIENCE_S, running_gateway, wait_until

OPTIONS = {"sample_rate_hz": 48_000, "latency_ms": 320, "hints": ["anna"]}


@pytest.fixture
def port(server: Any) -> Iterator[int]:
    with running_gateway(server.address) as port:
        yield port


def opened(port: int, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/stream", proxy=None, **options)


def all_of(browser: ClientConnection) -> list[dict[str, Any]]:
    """The messages until the gateway closes."""
    messages = []
    try:
        while True:
            messages.append(json.loads(browser.recv(PATIENCE_S)))
    except ConnectionClosed:
        return messages


def test_audio_goes_to_the_server_and_results_come_back(server: Any, port: int) -> None:
    with opened(port) as browser:
        browser.send(json.dumps(OPTIONS))
        browser.send(b"\1\0" * 4800)
        browser.send(b"\2\0" * 100)
        browser.send(json.dumps({"type": "end"}))
        *results, done = all_of(browser)
    assert done == {"type": "done"}
    assert [result["text"] for result in results] == ["good", "good morning", "is anybody there"]
    assert results[0]["committed_chars"] == 4
    assert results[1]["words"][1] == {"text": "morning", "start_s": 0.75, "end_s": 1.5, "confidence": None}
    assert (results[1]["received_s"], results[1]["recognized_s"]) == (1.5, 1.5)
    assert b"".join(server.speech.audio) == b"\1\0" * 4800 + b"\2\0" * 100
    (config,) = server.speech.configs
    assert (config.audio.sample_rate_hz, config.audio.channels, config.latency) == (48_000, 0, 2)
    assert config.recognition.phrase_hints[0].phrase == "anna"


def test_a_page_that_is_closed_ends_its_stream(server: Any, port: int) -> None:
    with opened(port) as browser:
        browser.send(json.dumps(OPTIONS))
        browser.send(bytes(100))
        wait_until(lambda: server.speech.contexts)
    wait_until(lambda: not server.speech.contexts[0].is_active())


def test_what_the_server_refuses_is_a_sentence_on_the_page(server: Any, port: int) -> None:
    def refuse(requests: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the server is full")
        yield

    server.speech.script = refuse
    with opened(port) as browser:
        browser.send(json.dumps(OPTIONS))
        assert all_of(browser) == [{"type": "error", "message": "the server is full"}]
        assert browser.close_code == 1011


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("{}", "sample_rate_hz is missing"),
        ("no", "not JSON"),
        ("[]", "a JSON object"),
        ('{"sample_rate": 1}', "sample_rate is unknown"),
        ('{"sample_rate_hz": "fast"}', "wrong type"),
        ('{"sample_rate_hz": true}', "wrong type"),
        ('{"sample_rate_hz": 8000, "hints": [1]}', "hints are texts"),
        ('{"sample_rate_hz": 8000, "latency_ms": 7}', "160, 320, 640 or 1280"),
        (b"audio", "the first message is text"),
    ],
)
def test_a_first_message_that_makes_no_sense_is_refused(port: int, first: str | bytes, sentence: str) -> None:
    with opened(port) as browser:
        browser.send(first)
        (message,) = all_of(browser)
    assert message["type"] == "error"
    assert sentence in message["message"]


def test_text_in_the_place_of_audio_is_refused(port: int) -> None:
    with opened(port) as browser:
        browser.send(json.dumps(OPTIONS))
        browser.send('{"type": "stop"}')
        (message,) = all_of(browser)
    assert '{"type": "end"}' in message["message"]


def test_pages_of_others_are_kept_out(server: Any, port: int) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        opened(port, origin="https://elsewhere.example")
    with opened(port, origin=f"http://127.0.0.1:{port}"):
        pass


def test_the_page_and_its_modules_are_served(port: int) -> None:
    page = fetched(port, "/")[1].decode()
    for module in ("main.js", "style.css", "icon.svg"):
        assert f'"{module}"' in page
        assert fetched(port, f"/{module}")[0] == 200
    assert fetched(port, "/../gateway.py")[0] == 404


def test_subtitles_are_those_of_the_sdk(port: int) -> None:
    words = [{"text": "good", "start_s": 0, "end_s": 0.5}, {"text": "morning", "start_s": 0.5, "end_s": 1.25}]
    body = json.dumps([words, []]).encode()
    assert fetched(port, "/subtitles/srt", body) == (200, b"1\n00:00:00,000 --> 00:00:01,250\ngood morning\n")
    assert fetched(port, "/subtitles/vtt", body)[1].startswith(b"WEBVTT\n")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/subtitles/doc", b"[]", 400),
        ("/subtitles/srt", b"{", 400),
        ("/subtitles/srt", b"[[{}]]", 400),
        ("/subtitles/srt", bytes(gateway.LARGEST_BODY_BYTES + 1), 413),
    ],
)
def test_subtitles_of_anything_else_are_refused(port: int, path: str, body: bytes, status: int) -> None:
    assert fetched(port, path, body)[0] == status


def fetched(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", body, PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
