"""The command `hearken`: what it prints, what it prints it on, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from hearken._command.app import app
from hearken._command.options import TOKEN_VARIABLE

PATIENCE_S = 30
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "clients" / "python"), "TERM": "xterm"}
FAILING_BYTES = 1_100_000  # of the second recording
TEXT = "good morning\nis anybody there\n"


@pytest.fixture
def recording(tmp_path: Path, make_wav: Any, make_tone: Any) -> str:
    path = tmp_path / "greeting.wav"
    path.write_bytes(make_wav(make_tone(0.5)))
    return str(path)


@pytest.fixture
def recordings(tmp_path: Path, make_wav: Any) -> list[str]:
    """Of different lengths, and too long to be sent whole."""
    paths = [tmp_path / f"talk{i}.wav" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(make_wav(bytes(FAILING_BYTES + 2 * i - 2)))
    return list(map(str, paths))


def hearken(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def hearken_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hearken", *arguments],
        **({"capture_output": True, "text": True, "timeout": PATIENCE_S, "env": ENVIRONMENT} | options),
    )


def test_each_utterance_is_a_line(server: Any, recording: str) -> None:
    result = hearken("transcribe", recording, "--server", server.address)
    assert (result.exit_code, result.stdout, result.stderr) == (0, TEXT, "")
    assert not server.speech.configs[0].interim_results


def test_lines_of_several_files_say_which(server: Any, recording: str) -> None:
    result = hearken("transcribe", recording, recording, "--server", server.address)
    assert result.stdout.splitlines()[::3] == [f"{recording}: good morning", f"{recording}: is anybody there"]


def test_words_have_their_times(server: Any, recording: str) -> None:
    result = hearken("transcribe", recording, "--words", "--server", server.address)
    assert result.stdout.splitlines()[:3] == ["good morning", "    0.00     0.75  good", "    0.75     1.50  morning"]
    assert server.speech.configs[0].recognition.word_info


def test_json_is_one_object_a_file(server: Any, recording: str) -> None:
    result = hearken("transcribe", recording, recording, "--format", "json", "--words", "--server", server.address)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == second
    assert (first["file"], first["audio_s"], first["model"]) == (recording, 0.5, "fake")
    assert first["text"] == "good morning is anybody there"
    assert first["utterances"][0]["words"][1] == {"word": "morning", "start_s": 0.75, "end_s": 1.5, "confidence": None}


def test_json_has_a_short_option(server: Any, recording: str) -> None:
    short, long = (
        hearken("transcribe", recording, *option, "--server", server.address).stdout
        for option in (["--json"], ["--format", "json"])
    )
    assert short == long


def test_jsonl_is_one_object_an_utterance(server: Any, recording: str) -> None:
    result = hearken("transcribe", recording, "--output-format", "jsonl", "--server", server.address)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == {"file": recording, "text": "good morning", "start_s": 0.0, "end_s": 1.5, "confidence": 0.5}
    assert second["text"] == "is anybody there"


@pytest.mark.parametrize(
    ("output_format", "beginning"),
    [
        ("srt", "1\n00:00:00,000 --> 00:00:01,500\ngood morning\n\n2\n00:00:02,000 --> "),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\ngood morning\n\n00:00:02.000 --> "),
    ],
)
def test_subtitles_have_the_times_of_the_words(server: Any, recording: str, output_format: str, beginning: str) -> None:
    result = hearken("transcribe", recording, "--format", output_format, "--server", server.address)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(beginning)


def test_a_folder_gets_a_file_for_each_recording(server: Any, recordings: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "texts"
    result = hearken("transcribe", *recordings, "--output-dir", str(folder), "--server", server.address)
    expected = [str(folder / f"talk{i}.txt") for i in range(len(recordings))]
    assert (result.exit_code, result.stdout.splitlines()) == (0, expected)
    assert sorted(map(str, folder.iterdir())) == expected  # and nothing unfinished
    assert {Path(path).read_text() for path in expected} == {TEXT}


def test_a_recording_that_fails_leaves_no_file_and_does_not_stop_the_others(
    server: Any, recordings: list[str], tmp_path: Path, make_final: Any
) -> None:
    def one_fails(requests: Any, context: Any) -> Any:
        if len(b"".join(request.audio for request in requests)) == FAILING_BYTES:
            context.abort(grpc.StatusCode.INTERNAL, "out of memory")
        yield make_final("good")

    server.speech.script = one_fails
    result = hearken("transcribe", *recordings, "--output-dir", str(tmp_path / "texts"), "--server", server.address)
    assert result.exit_code == 1
    assert result.stderr == f"hearken: {recordings[1]}: out of memory\n"
    assert sorted(path.name for path in (tmp_path / "texts").iterdir()) == ["talk0.txt", "talk2.txt", "talk3.txt"]


def test_no_more_recordings_are_under_way_than_was_said(server: Any, recordings: list[str], make_final: Any) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def count(requests: Any, context: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        server.speech.take(requests)
        time.sleep(0.05)
        with lock:
            now -= 1
        yield make_final("good")

    server.speech.script = count
    result = hearken("transcribe", *recordings, "--parallel", "2", "--server", server.address)
    assert result.stdout == "".join(f"{recording}: good\n" for recording in recordings)  # in order
    assert most == 2


def test_two_recordings_may_not_share_a_file(recording: str, tmp_path: Path) -> None:
    result = hearken("transcribe", recording, recording, "--output-dir", str(tmp_path))
    assert result.exit_code == 2
    assert f"would both be written to {tmp_path / 'greeting.txt'}" in result.stderr


def test_the_token_comes_from_an_option_or_a_variable_that_no_server_mistakes_for_a_setting(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not TOKEN_VARIABLE.startswith("HEARKEN_")
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")
    hearken("models", "--server", server.address)
    hearken("models", "--server", server.address, "--token", "of the option")
    tokens = [metadata["authorization"] for metadata in server.speech.metadata]
    assert tokens == ["Bearer of the environment", "Bearer of the option"]


def test_tls_is_by_the_system_or_by_an_own_authority(server: Any, tmp_path: Path) -> None:
    assert hearken("models", "--tls", "--server", server.address).exit_code == 1
    missing = hearken("models", "--root-certificates", str(tmp_path / "none.pem"), "--server", server.address)
    assert (missing.exit_code, missing.stderr) == (2, f"hearken: {tmp_path / 'none.pem'}: No such file or directory\n")


def test_mutual_tls_needs_both_files(tmp_path: Path) -> None:
    result = hearken("models", "--client-certificate", str(tmp_path / "me.pem"))
    assert (result.exit_code, "belong together" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", [[], ["transcribe"], ["listen"], ["models"], ["load"]])
def test_help_tells_the_exit_codes(command: list[str]) -> None:
    told = hearken(*command, "--help").stdout
    assert all(re.search(rf"\b{code}\s", told) for code in (0, 1, 2, 130))


def test_a_shell_completes_commands_and_options() -> None:
    def complete(words: str) -> list[str]:
        asked = {"_HEARKEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return hearken_process(env=ENVIRONMENT | asked).stdout.split()

    assert complete("hearken tr") == ["transcribe"]
    assert complete("hearken transcribe --format j") == ["json", "jsonl"]


def test_options_reach_the_server(server: Any, recording: str) -> None:
    hearken(
        *("transcribe", recording, "--server", server.address, "--model", "big"),
        *("--latency-ms", "320", "--end-silence-s", "0.5", "--pace", "50"),
    )
    (config,) = server.speech.configs
    assert (config.recognition.model, config.latency, config.endpointing.end_silence_s) == ("big", 2, 0.5)
    hearken(
        *("transcribe", recording, "--server", server.address, "--hint", "anna", "--hint", "van der berg"),
        *("--punctuation", "--digits"),
    )
    recognition = server.speech.configs[1].recognition
    assert [hint.phrase for hint in recognition.phrase_hints] == ["anna", "van der berg"]
    assert recognition.text.automatic_punctuation and recognition.text.inverse_text_normalization


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.wav"], "none.wav: No such file"),
        ([__file__], "no audio format known here"),
        (["FILE", "--live"], "--live needs a terminal"),
        (["FILE", "--pace", "0"], "--pace must be more than 0"),
        (["FILE", "--no-such-option"], "No such option"),
        (["FILE", "--format", "srt", "--words"], "--words does not go with srt"),
        (["FILE", "FILE", "--format", "vtt"], "needs --output-dir"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use_exits_with_2(recording: str, arguments: list[str], sentence: str) -> None:
    result = hearken("transcribe", *(recording if argument == "FILE" else argument for argument in arguments))
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_nothing_is_sent_if_one_file_is_missing(server: Any, recording: str) -> None:
    assert hearken("transcribe", recording, "none.wav", "--server", server.address).exit_code == 2
    assert not server.speech.contexts


def test_a_failure_of_the_server_exits_with_1(server: Any, recording: str) -> None:
    def fail(requests: Any, context: Any) -> Any:
        raise RuntimeError("as the test wants it")

    server.speech.script = fail
    result = hearken("transcribe", recording, "--server", server.address)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_a_server_that_is_not_there_exits_with_1_and_one_sentence(recording: str) -> None:
    result = hearken_process("transcribe", recording, "--server", "127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr == "hearken: no Hearken server answers at 127.0.0.1:1; start one with `make serve`\n"


def test_a_missing_file_exits_with_2_and_one_sentence() -> None:
    result = hearken_process("transcribe", "none.wav")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "hearken: none.wav: No such file or directory\n"


def test_a_pipe_gets_no_escape_codes(server: Any, recording: str) -> None:
    result = hearken_process("transcribe", recording, "--server", server.address)
    assert (result.returncode, result.stdout, result.stderr) == (0, TEXT, "")
    listed = hearken_process("models", "--server", server.address)
    assert listed.stdout == "fake\ten-US\t16000\n"


@pytest.mark.parametrize("has_header", [True, False])
def test_the_standard_input_is_a_recording(server: Any, make_wav: Any, make_tone: Any, has_header: bool) -> None:
    audio = make_tone(0.5)
    result = hearken_process(
        *("transcribe", "-", "--server", server.address, *([] if has_header else ["--sample-rate-hz", "16000"])),
        input=make_wav(audio, data_bytes=0xFFFFFFFF) if has_header else audio,
        text=False,
    )
    assert result.stdout == TEXT.encode()  # type: ignore[comparison-overlap]
    assert b"".join(server.speech.audio) == audio


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_shows_interim_text_and_then_replaces_it(server: Any, recording: str, no_color: bool) -> None:
    shown = _on_a_terminal(
        *("transcribe", recording, "--server", server.address), environment={"NO_COLOR": "1"} if no_color else {}
    )
    assert server.speech.configs[0].interim_results
    assert re.search(r"good.*\x1b\[2K.*good morning\r\n", shown, re.DOTALL)  # interim, erased, final
    assert "\x1b[3" not in shown  # no colors


def test_several_recordings_have_bars_on_a_terminal_and_leave_only_text(server: Any, recordings: list[str]) -> None:
    shown = _on_a_terminal("transcribe", *recordings, "--server", server.address)
    assert "4 of 4 recordings" in shown
    assert f"{recordings[3]}: is anybody there\r\n" in shown


def test_captions_can_be_switched_off(server: Any, recording: str) -> None:
    shown = _on_a_terminal("transcribe", recording, "--no-live", "--server", server.address)
    assert shown == TEXT.replace("\n", "\r\n")


def test_models_are_a_table_on_a_terminal(server: Any) -> None:
    shown = _on_a_terminal("models", "--server", server.address)
    assert "160 640" in shown
    assert "clean, final: 12.5 %" in shown


def test_ctrl_c_ends_listening_with_the_last_words(server: Any, tmp_path: Path, make_final: Any) -> None:
    (tmp_path / "sounddevice.py").write_text(
        "import time\n"
        "class PortAudioError(Exception): pass\n"
        "class RawInputStream:\n"
        "    stopped = True\n"
        "    def __init__(self, **settings): assert settings['device'] == 3\n"
        "    def start(self): self.stopped = False\n"
        "    def read(self, frames): time.sleep(0.02); return bytes(2 * frames), False\n"
        "    def close(self): pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "hearken", "listen", "--device", "3", "--server", server.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"},
    )

    def interrupt_while_listening(requests: Any, context: Any) -> Any:
        next(requests)
        process.send_signal(2)
        server.speech.take(requests)
        yield make_final("the last words")

    server.speech.script = interrupt_while_listening
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (0, "the last words\n", "")


MICROPHONE = (
    "import time\n"
    "class PortAudioError(Exception): pass\n"
    "class RawInputStream:\n"
    "    stopped = True\n"
    "    def __init__(self, **settings): pass\n"
    "    def start(self): self.stopped = False\n"
    "    def read(self, frames): time.sleep(0.02); return bytes(2 * frames), False\n"
    "    def close(self): pass\n"
)


def test_a_key_saves_what_was_said_and_another_ends(server: Any, tmp_path: Path, make_final: Any) -> None:
    (tmp_path / "sounddevice.py").write_text(MICROPHONE)
    notes = tmp_path / "notes.srt"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hearken", "listen", "--save", notes, "--server", server.address],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"},
    )
    os.close(theirs)
    saved_while_speaking = ""

    def speak(requests: Any, context: Any) -> Any:
        nonlocal saved_while_speaking
        assert next(requests).audio
        yield make_final("good morning", 0.0, 1.5)
        while not notes.exists() or "good" not in notes.read_text():
            os.write(ours, b"s")
            time.sleep(0.05)
        saved_while_speaking = notes.read_text()
        os.write(ours, b"q")
        server.speech.take(requests)
        yield make_final("the last words", 2.0, 3.0)

    server.speech.script = speak
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # Linux says so when the other end is closed
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, shown
    assert saved_while_speaking == "1\n00:00:00,000 --> 00:00:01,500\ngood morning\n"
    assert notes.read_text().endswith("00:00:02,000 --> 00:00:03,000\nthe last words\n")
    assert b"s saves what was said" in shown
    assert f"saved 2 utterances in {notes}" in shown.decode().replace("\r\n", "\n")


def test_a_file_to_save_in_has_a_known_ending() -> None:
    result = hearken("listen", "--save", "notes.doc")
    assert result.exit_code == 2
    assert ".txt, .json, .jsonl, .srt, .vtt" in result.stderr


def test_channels_are_told_apart(server: Any, recording: str, make_final: Any) -> None:
    def two_speakers(requests: Any, context: Any) -> Any:
        server.speech.take(requests)
        for tag, text in ((1, "good morning"), (2, "hello")):
            response = make_final(text)
            response.results[0].channel_tag = tag
            yield response

    server.speech.script = two_speakers
    lines = hearken("transcribe", recording, "--separate-channels", "--server", server.address).stdout
    assert lines == "channel 1: good morning\nchannel 2: hello\n"
    assert server.speech.configs[0].audio.separate_channels
    jsonl = hearken(
        *("transcribe", recording, "--separate-channels", "--format", "jsonl", "--server", server.address)
    ).stdout
    assert [json.loads(line)["channel"] for line in jsonl.splitlines()] == [1, 2]


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_packages_the_command_says_what_to_install(tmp_path: Path, missing: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n")
    path = f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    result = hearken_process("models", env=ENVIRONMENT | {"PYTHONPATH": path})
    assert result.returncode == 2
    assert result.stderr == "hearken: the command needs more packages: `pip install 'hearken[cli]'`\n"


def _on_a_terminal(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """What the command writes when its output is a terminal. It must exit with 0."""
    ours, theirs = pty.openpty()
    unset = {name: value for name, value in ENVIRONMENT.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "hearken", *arguments], stdout=theirs, stderr=theirs, env=unset | (environment or {})
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # Linux says so when the other end is closed
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, shown
    return shown.decode()
