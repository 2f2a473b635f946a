"""What an operator can set: one frozen value, read once from HEARKEN_* variables and an optional TOML file.

Acting on the settings is left to service/app.py.
"""

from __future__ import annotations

import difflib
import os
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.types import DEFAULT_LATENCY_MS
from service.errors import SettingsError

PREFIX = "HEARKEN_"
CONFIG_VARIABLE = "HEARKEN_CONFIG"
_OF_OTHERS = frozenset({"HEARKEN_SPEECH_DIR"})
"""Variables with our prefix that are not for the server: where the test suite finds recorded speech."""

_HELP_WIDTH = 100


def _setting(default: Any, description: str, *, unit: str | None = None, **limits: float) -> Any:
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)  # type: ignore[call-overload]


class Settings(BaseModel):
    """Every setting with its default, its unit and its limits; `python -m service --help` prints this list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = _setting("127.0.0.1", "Address on which gRPC listens; 0.0.0.0 for every interface.")
    port: int = _setting(50051, "Port of gRPC; 0 takes a free one, which the log names.", ge=0, le=65535)
    tls_certificate: str = _setting(
        "", "File with the server's certificate and those between it and its authority, in PEM; read again on change."
    )
    tls_key: str = _setting("", "File with the unencrypted key of the certificate, in PEM; read again on change.")
    tls_client_ca: str = _setting(
        "", "File with the authorities whose certificates callers must show (mutual TLS), in PEM; read again on change."
    )
    allow_plaintext: bool = _setting(
        False, "Listen without TLS on addresses that others can reach, because something else encrypts."
    )
    tokens_file: str = _setting(
        "",
        "File with the tokens' hashes, as `python -m service token create` writes it; read again on change. Callers"
        " then need a token.",
    )
    open_health: bool = _setting(True, "Health answers callers without a token, too.")
    open_reflection: bool = _setting(False, "Reflection answers callers without a token, too.")
    metrics_host: str = _setting("127.0.0.1", "Address on which Prometheus metrics are served over HTTP.")
    metrics_port: int = _setting(9464, "Port of the metrics; 0 takes a free one, which the log names.", ge=0, le=65535)
    model: str = _setting("english", "Name of a bundled model package, or the path of one.")
    models: str = _setting(
        "", "Further model packages, names or paths with commas between them; callers choose by the package's name."
    )
    device: str = _setting("auto", "Where the model runs: auto, cpu, cuda or cuda:N.")
    workers: int = _setting(
        1,
        "Processes that serve on the port, each with its own model: for many cores, or one for each GPU. Each has its"
        " part of max_streams, max_connections and the machine; quotas are counted by each for itself.",
        ge=1,
        le=256,
    )
    threads: int = _setting(0, "CPU threads of one operation of the model; 0 takes half of the cores.", ge=0, le=1024)
    default_latency_ms: int = _setting(
        DEFAULT_LATENCY_MS, "Latency of interim results for callers who ask for none.", unit="ms", gt=0
    )
    max_streams: int = _setting(200, "Requests recognized at a time; more are refused.", unit="requests", ge=1)
    cpu_share: float = _setting(
        0.92,
        "Part of the CPU cores that other programs leave to the server which streams may take, by what they cost; more"
        " are refused.",
        unit="of the cores",
        gt=0,
    )
    max_wait_share: float = _setting(
        0.25,
        "Mean time for a step of a stream above which new streams are refused, as a share of the latency that its"
        " caller has chosen.",
        unit="of the latency",
        gt=0,
    )
    max_streams_per_peer: int = _setting(
        0, "Requests recognized at a time for one network address; 0: as many as max_streams.", unit="requests", ge=0
    )
    decoder_processes: int = _setting(
        0, "Processes for the beam search of final results; 0 takes half of the cores, at least 2.", ge=0, le=256
    )
    max_batch: int = _setting(64, "Streams moved forward by one call of the model.", unit="streams", ge=1)
    max_message_bytes: int = _setting(
        1024 * 1024, "Largest audio message of a stream.", unit="bytes", ge=1024, le=64 * 1024 * 1024
    )
    max_recording_s: float = _setting(300.0, "Longest recording that Recognize takes whole.", unit="s", gt=0, le=7200)
    max_operations: int = _setting(
        100,
        "Operations of Google's LongRunningRecognize in memory; for a new one, that which was done first is forgotten.",
        unit="operations",
        ge=1,
        le=10_000,
    )
    idle_timeout_s: float = _setting(
        60.0, "Longest time between two messages of a stream; then it is ended.", unit="s", gt=0, le=86400
    )
    min_pace: float = _setting(
        0.01,
        "Least audio a second of waiting for it, over each idle_timeout_s; a stream that brings less is ended.",
        unit="s a second",
        ge=0,
        le=1,
    )
    max_stream_s: float = _setting(
        0.0, "Longest audio of a stream; then it is ended with its results. 0: any length.", unit="s", ge=0
    )
    max_connections: int = _setting(4096, "Connections at a time; more are closed at once.", unit="connections", ge=1)
    max_calls_per_connection: int = _setting(
        100, "Calls at a time on one connection; further ones wait in the client.", unit="calls", ge=1, le=100_000
    )
    late_refusal_s: float = _setting(
        5.0,
        "Time that callers without a known token wait for their refusal, all but the first ten a second; 0: none.",
        unit="s",
        ge=0,
        le=60,
    )
    max_header_bytes: int = _setting(16 * 1024, "Largest metadata of a request.", unit="bytes", ge=1024, le=1024 * 1024)
    handshake_timeout_s: float = _setting(
        10.0, "Time that a connection has for TLS and its first frame.", unit="s", gt=0, le=600
    )
    keepalive_interval_s: float = _setting(
        5.0, "Silence of a connection after which the server asks whether the other side is there.", unit="s", ge=1
    )
    keepalive_timeout_s: float = _setting(
        5.0, "Time for the answer to that; then the connection and its streams are ended.", unit="s", ge=1
    )
    max_connection_idle_s: float = _setting(
        300.0, "Time without a request after which a connection is closed.", unit="s", ge=1
    )
    max_connection_age_s: float = _setting(
        0.0,
        "Age at which a connection is asked to end, so that callers spread over servers anew; 0: never.",
        unit="s",
        ge=0,
        le=86400,
    )
    max_connection_age_grace_s: float = _setting(
        600.0, "Time that the streams of a connection of that age get to finish.", unit="s", gt=0, le=86400
    )
    drain_grace_s: float = _setting(
        30.0, "Time that running streams get to finish when the server is told to stop.", unit="s", ge=0, le=86400
    )
    traces_endpoint: str = _setting(
        "", "Where traces are sent, by OTLP over gRPC: http://host:4317, or https; needs the extra `tracing`."
    )
    log_format: Literal["text", "json"] = _setting("text", "Form of the log's lines.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "Least severe messages that are logged.")


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from the variables, over the TOML file named by HEARKEN_CONFIG, over the defaults.

    A variable that is set to nothing counts as unset. Raises SettingsError.
    """
    variables = {
        name: value
        for name, value in environment.items()
        if name.upper().startswith(PREFIX) and name not in _OF_OTHERS and value.strip()
    }
    path = variables.pop(CONFIG_VARIABLE, None)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if path is not None:
        for key, value in _read_toml(Path(path)).items():
            _check_name(key, known=list(Settings.model_fields), where=f" in {path}")
            values[key], sources[key] = value, f"{key} in {path}"
    for name, value in variables.items():
        _check_name(name, known=[CONFIG_VARIABLE, *map(variable_of, Settings.model_fields)], where="")
        key = name.removeprefix(PREFIX).lower()
        values[key], sources[key] = value.strip(), name
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = sources[str(first["loc"][0])]
        raise SettingsError(f"{name} is {first['input']!r}: {_uncapitalized(first['msg'])}") from error


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def describe_settings() -> str:
    """Every setting with its default, unit and meaning, for --help."""
    lines = [
        f"Settings are environment variables, or keys of the TOML file named by {CONFIG_VARIABLE} (port = 50051).",
        "A variable goes before the file; a misspelt one is an error.",
        "",
    ]
    for field, info in Settings.model_fields.items():
        extra = info.json_schema_extra
        unit = extra["unit"] if isinstance(extra, dict) else None
        lines.append(f"  {variable_of(field)} = {info.default}" + (f" {unit}" if unit else ""))
        lines += textwrap.wrap(info.description or "", _HELP_WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{CONFIG_VARIABLE} names {path}, which cannot be read as TOML: {error}") from error


def _check_name(name: str, *, known: list[str], where: str) -> None:
    if name in known:
        return
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    raise SettingsError(
        f"there is no setting {name}{where}; did you mean {nearest}? python -m service --help lists them all"
    )


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]
