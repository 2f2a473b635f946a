"""The command `hearken`: what it prints, what it prints it on, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hearken._command.app import app

PATIENCE_S = 30
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "clients" / "python"), "TERM": "xterm"}
TEXT = "good morning\nis anybody there\n"


@pytest.fixture
def recording(tmp_path: Path, make_wav: Any, make_tone: Any) -> str:
    path = tmp_path / "greeting.wav"
    path.write_bytes(make_wav(make_tone(0.5)))
    return str(path)


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
    result = hearken("transcribe", recording, recording, "--json", "--words", "--server", server.address)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == second
    assert (first["file"], first["audio_s"], first["model"]) == (recording, 0.5, "fake")
    assert first["text"] == "good morning is anybody there"
    assert first["utterances"][0]["words"][1] == {"word": "morning", "start_s": 0.75, "end_s": 1.5, "confidence": None}


def test_options_reach_the_server(server: Any, recording: str) -> None:
    hearken(
        *("transcribe", recording, "--server", server.address, "--model", "big"),
        *("--latency-ms", "320", "--end-silence-s", "0.5", "--pace", "50"),
    )
    (config,) = server.speech.configs
    assert (config.recognition.model, config.latency, config.endpointing.end_silence_s) == ("big", 2, 0.5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.wav"], "none.wav: No such file"),
        ([__file__], "no audio format known here"),
        (["FILE", "--live"], "--live needs a terminal"),
        (["FILE", "--pace", "0"], "--pace must be more than 0"),
        (["FILE", "--no-such-option"], "No such option"),
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
