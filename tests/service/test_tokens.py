"""The tokens file and the command that adds to it: the text of a token is shown once and kept nowhere."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from service.errors import StartError
from service.running import run
from service.settings import Settings
from service.tokens import Scope, create_token, read_tokens

EVERYTHING = frozenset(Scope)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tokens file that does not exist yet and that the variable names."""
    path = tmp_path / "tokens.toml"
    monkeypatch.setenv("HEARKEN_TOKENS_FILE", str(path))
    return path


def test_the_command_prints_a_token_once_and_keeps_its_hash(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "--name", "alice"]) == 0
    alice = capsys.readouterr()
    limits = ["--scope", "recognize", "--max-streams", "3", "--audio-seconds-per-minute", "90"]
    assert main(["token", "create", "--name", "bob@example.org", *limits]) == 0
    bob = capsys.readouterr()

    secrets = [printed.out.removesuffix("\n") for printed in (alice, bob)]
    assert all(secret.startswith("hearken_") and len(secret) == len("hearken_") + 43 for secret in secrets)
    for secret in secrets:
        assert secret not in file.read_text() and secret not in alice.err + bob.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    tokens = read_tokens(file)
    first, second = (tokens.find(secret) for secret in secrets)
    assert first is not None and second is not None
    assert (first.name, first.scopes, first.max_streams, first.audio_seconds_per_minute) == (
        "alice",
        EVERYTHING,
        None,
        None,
    )
    assert (second.name, second.scopes) == ("bob@example.org", {Scope.RECOGNIZE})
    assert (second.max_streams, second.audio_seconds_per_minute) == (3, 90.0)


def test_only_the_whole_token_is_found(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    secret = create_token(path, "alice", EVERYTHING, None, None)
    tokens = read_tokens(path)
    for wrong in ("", secret[:-1], secret + " ", secret.upper(), tokens.find(secret).sha256, "\udc80\u2028"):  # type: ignore[union-attr]
        assert tokens.find(wrong) is None


def test_no_representation_shows_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    secret = create_token(path, "alice", EVERYTHING, None, None)
    token = read_tokens(path).find(secret)
    assert token is not None and token.sha256 not in repr(token) + str(token)


def test_a_file_written_by_hand_without_a_last_newline_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(f'# ours\n[[token]]\nname = "old"\nsha256 = "{"0" * 64}"')
    create_token(path, "new", EVERYTHING, None, None)
    assert len(read_tokens(path)) == 2 and path.read_text().startswith("# ours\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "alice"], "has a token of the name 'alice' already"),
        (["--name", "al ice"], "name is 'al ice'"),
        (["--name", "bob", "--max-streams", "0"], "max_streams is 0"),
        (["--name", "bob", "--audio-seconds-per-minute", "nan"], "audio_seconds_per_minute is nan"),
    ],
)
def test_what_cannot_be_created_is_one_sentence_and_changes_nothing(
    arguments: list[str], said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_token(file, "alice", EVERYTHING, None, None)
    before = file.read_bytes()
    assert main(["token", "create", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert file.read_bytes() == before


def test_without_a_tokens_file_the_command_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HEARKEN_TOKENS_FILE", raising=False)
    assert main(["token", "create", "--name", "alice"]) == 2
    assert "HEARKEN_TOKENS_FILE is not set" in capsys.readouterr().err


ENTRY = f'[[token]]\nname = "alice"\nsha256 = "{"a" * 64}"\n'
SECRET = "hearken_not-a-hash"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token", "is not TOML"),
        ("[[tokens]]", "tokens: "),
        (ENTRY * 2, "2 tokens of the name 'alice'"),
        (f'[[token]]\nname = "alice"\nsha256 = "{SECRET}"\n', "token.0.sha256"),
        (ENTRY + 'scopes = ["everything"]', "token.0.scopes"),
        (ENTRY + "max_stream = 3", "token.0.max_stream"),
        (ENTRY + "audio_seconds_per_minute = -1", "token.0.audio_seconds_per_minute"),
    ],
)
def test_a_bad_file_is_one_sentence_without_its_content(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(StartError) as raised:
        read_tokens(path)
    assert said in str(raised.value) and str(path) in str(raised.value) and SECRET not in str(raised.value)


def test_a_missing_file_ends_the_start_with_exit_code_2_and_names_the_command(
    tmp_path: Path, fakes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(port=0, metrics_port=0, log_level="error", tokens_file=str(tmp_path / "none.toml"))
    assert run(settings, lambda _: fakes.FakeRecognizer()) == 2
    printed = capsys.readouterr().err
    assert "none.toml" in printed and "token create" in printed and printed.count("\n") == 1
