"""Settings: where they come from, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.__main__ import main
from service.errors import SettingsError
from service.settings import Settings, describe_settings, load_settings, variable_of


def test_defaults_hold_without_any_variable() -> None:
    settings = load_settings({"PATH": "/bin"})
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 50051, 9464)
    assert (settings.model, settings.device, settings.default_latency_ms) == ("english", "auto", 640)


def test_a_variable_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "hearken.toml"
    file.write_text('port = 1000\nmodel = "german"\n')
    settings = load_settings({"HEARKEN_CONFIG": str(file), "HEARKEN_PORT": "2000"})
    assert (settings.port, settings.model, settings.max_streams) == (2000, "german", 200)


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({"HEARKEN_PORT": "", "HEARKEN_CONFIG": " "}).port == 50051


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HEARKEN_PROT", "1", "HEARKEN_PROT; did you mean HEARKEN_PORT"),
        ("hearken_port", "1", "hearken_port; did you mean HEARKEN_PORT"),
        ("HEARKEN_MAX_STREAM", "1", "did you mean HEARKEN_MAX_STREAMS"),
        ("HEARKEN_PORT", "many", "HEARKEN_PORT is 'many'"),
        ("HEARKEN_PORT", "70000", "HEARKEN_PORT is '70000'"),
        ("HEARKEN_DRAIN_GRACE_S", "nan", "HEARKEN_DRAIN_GRACE_S is 'nan'"),
        ("HEARKEN_LOG_LEVEL", "loud", "HEARKEN_LOG_LEVEL is 'loud'"),
        ("HEARKEN_CONFIG", "/does/not/exist.toml", "HEARKEN_CONFIG names /does/not/exist.toml"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({name: value})
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "there is no setting prot in"),
        ("[server]\nport = 1", "there is no setting server in"),
        ("port = 'x'", "port in"),
        ("port = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_key_in_the_file_is_named_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "hearken.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_settings({"HEARKEN_CONFIG": str(file)})
    assert said in str(raised.value)
    assert str(file) in str(raised.value)


def test_help_lists_every_setting_with_its_default_and_description(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert describe_settings() in printed
    for field, info in Settings.model_fields.items():
        assert f"{variable_of(field)} = {info.default}" in printed
        assert info.description


def test_a_misspelt_variable_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEARKEN_DEVISE", "cpu")
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "HEARKEN_DEVISE" in said and "HEARKEN_DEVICE" in said


def test_the_test_suites_own_variable_does_not_stop_the_server() -> None:
    assert load_settings({"HEARKEN_SPEECH_DIR": "/somewhere"}) == Settings()
