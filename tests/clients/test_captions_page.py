"""The captions page in headless Chromium, against the fake speech server: what it sends, shows, saves and tells."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hearken.v1 import speech_pb2 as pb
from tests.clients.captions_page import Page, chromium, running_gateway, wait_until

LINES = ["good morning", "is anybody there"]
LOUD = 2000  # of 32767; the recordings of the tests are louder, silence is not


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chrome(samples_dir: Path, downloads: Path) -> Iterator[Any]:
    with chromium(samples_dir / "rain.wav", downloads) as chrome:
        yield chrome


@pytest.fixture
def page(server: Any, chrome: Any) -> Iterator[Page]:
    """The page; whatever was done with it, the console has nothing to complain about."""
    with running_gateway(server.address) as port:
        page = Page(chrome, port)
        yield page
        assert page.errors() == []
        chrome.get("about:blank")


@pytest.fixture
def filled(page: Page, tmp_path: Path, make_wav: Any, make_tone: Any) -> Page:
    """The page after a recording."""
    play(page, tmp_path, make_wav(make_tone(0.3)))
    return page


def play(page: Page, folder: Path, wav: bytes) -> None:
    (folder / "tone.wav").write_bytes(wav)
    page["recording"].send_keys(str(folder / "tone.wav"))
    page.wait_for_status("Done.")


def heard(server: Any) -> list[int]:
    audio = b"".join(server.speech.audio)
    return list(struct.unpack(f"<{len(audio) // 2}h", audio))


def test_the_microphone_is_heard_and_its_text_is_shown(server: Any, page: Page) -> None:
    page["microphone"].click()
    page.wait_for_status("Listening.")
    wait_until(lambda: len(server.speech.audio) > 10)
    assert page["microphone"].text == "Stop"
    assert page["microphone"].get_attribute("aria-pressed") == "true"
    page["microphone"].click()
    page.wait_for_status("Done.")
    assert page.lines == LINES
    (config,) = server.speech.configs
    assert 8000 <= config.audio.sample_rate_hz <= 48_000
    assert (config.latency, config.recognition.word_info, config.interim_results) == (pb.LATENCY_320_MS, True, True)
    assert max(map(abs, heard(server))) > LOUD


def test_a_recording_is_played_and_sent_whole(server: Any, filled: Page) -> None:
    assert filled.lines == LINES
    samples = heard(server)
    assert len(samples) / server.speech.configs[0].audio.sample_rate_hz == pytest.approx(0.3, abs=0.1)
    assert max(map(abs, samples)) == pytest.approx(8000, rel=0.1)  # the tone's


def test_interim_text_is_gray_where_it_may_change_and_the_delays_are_shown(
    server: Any, page: Page, make_interim: Any
) -> None:
    def hesitate(requests: Any, context: Any) -> Any:
        yield make_interim("good morning", committed_chars=5)
        server.speech.take(requests)

    server.speech.script = hesitate
    page["microphone"].click()
    wait_until(lambda: page["interim"].text == "good morning")
    gray = page.chrome.find_element(By.CSS_SELECTOR, "#interim .may-change")
    assert gray.text == "morning"
    assert gray.value_of_css_property("color") != page["interim"].value_of_css_property("color")
    assert page["lag-value"].text == "250 ms"
    assert page["latency-value"].text.endswith(" ms")
    page["microphone"].click()
    page.wait_for_status("Done.")
    assert page["interim"].text == ""


def test_words_tell_when_they_were_said_and_how_sure_they_are(
    server: Any, page: Page, make_final: Any, tmp_path: Path, make_wav: Any, make_tone: Any
) -> None:
    def unsure(requests: Any, context: Any) -> Any:
        server.speech.take(requests)
        response = make_final("good morning", 0.0, 1.5)
        for word, confidence in zip(response.results[0].alternatives[0].words, (0.9, 0.25), strict=True):
            word.confidence = confidence
        yield response

    server.speech.script = unsure
    play(page, tmp_path, make_wav(make_tone(0.2)))
    page["transcript"].send_keys(Keys.ARROW_LEFT)  # from the log to its last word
    assert page["word"].text == "“morning”: 0.75 to 1.50 s, 25 % sure"
    page.chrome.switch_to.active_element.send_keys(Keys.HOME)
    assert page["word"].text == "“good”: 0.00 to 0.75 s, 90 % sure"
    good, morning = page.chrome.find_elements(By.CSS_SELECTOR, "#transcript .word")
    assert good.get_attribute("title") == "“good”: 0.00 to 0.75 s, 90 % sure"
    assert good.value_of_css_property("border-bottom-color") != morning.value_of_css_property("border-bottom-color")


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("txt", "good morning\nis anybody there\n"),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:01,500\ngood morning\n\n2\n00:00:02,000 --> 00:00:04,000\nis anybody there\n",
        ),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\ngood morning\n\n00:00:02.000 --> 00:00:04.000\n"),
    ],
)
def test_the_transcript_can_be_saved(filled: Page, downloads: Path, ending: str, content: str) -> None:
    filled[f"save-{ending}"].click()
    file = downloads / f"captions.{ending}"
    wait_until(file.is_file)
    assert file.read_text().startswith(content)


def test_further_audio_goes_on_where_the_last_ended_and_all_can_be_cleared(
    filled: Page, tmp_path: Path, make_wav: Any, make_tone: Any
) -> None:
    play(filled, tmp_path, make_wav(make_tone(0.2)))
    assert filled.lines == LINES * 2
    times = [time.text for time in filled.chrome.find_elements(By.CSS_SELECTOR, "#transcript .time")]
    assert times == ["0:00", "0:02", "0:04", "0:06"]
    filled["clear"].click()
    assert filled.lines == []
    assert not filled["save-txt"].is_enabled()


def test_what_goes_wrong_is_a_sentence(server: Any, page: Page, tmp_path: Path, make_wav: Any, make_tone: Any) -> None:
    def refuse(requests: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the server is full")
        yield

    server.speech.script = refuse
    page["microphone"].click()
    page.wait_for_status("It failed: the server is full")
    wait_until(lambda: page["microphone"].text == "Start microphone")
    (tmp_path / "tone.wav").write_text("no sound at all")
    page["recording"].send_keys(str(tmp_path / "tone.wav"))
    page.wait_for_status("It failed: Unable to decode audio data")


def test_nothing_serious_stands_in_the_way_of_anybody(filled: Page) -> None:
    is_dark = filled["theme"].get_attribute("aria-pressed")
    assert filled.violations() == []
    filled["theme"].click()
    assert filled["theme"].get_attribute("aria-pressed") != is_dark
    assert filled.violations() == []
