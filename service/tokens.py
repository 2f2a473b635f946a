"""Bearer tokens: the file that holds their hashes, who a token belongs to and what it may do, and new tokens.

A token is 256 random bits, so a fast hash protects it: nobody can try enough of them to find one whose hash is in the
file. A slow hash is for passwords, which people choose; here it would let wrong tokens keep the server busy.
Counting what a token uses is left to service/quotas.py.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tomllib
from collections import Counter
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import StartError

_PREFIX = "hearken_"
"""So that tools which look for secrets in code and logs can be told about ours."""

_TOKEN_BYTES = 32


class Scope(StrEnum):
    """What a token may do."""

    RECOGNIZE = "recognize"
    LIST_MODELS = "list_models"


class Token(BaseModel):
    """One token's entry in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    """Whose it is; in the log, never secret."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    """Of the token's text."""
    scopes: frozenset[Scope] = frozenset(Scope)
    max_streams: int | None = Field(None, ge=1)
    """Requests recognized at a time; None: as many as the server takes."""
    audio_seconds_per_minute: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Audio a minute of all its requests together; None: any amount."""


class _TokensFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: tuple[Token, ...] = ()


class Tokens:
    """Those of one reading of the file."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, name: str) -> bool:
        return any(token.name == name for token in self._tokens)

    def find(self, secret: str) -> Token | None:
        """The token with this text. Takes as long for a wrong one as for a right one."""
        digest = _digest(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def read_tokens(path: Path) -> Tokens:
    """The tokens of a file. Raises StartError, which never tells what is in the file."""
    try:
        file = _TokensFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StartError(
            f"cannot read the tokens file {path}: {error.strerror}; python -m service token create makes one"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartError(f"the tokens file {path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        # Without a cause: the original shows the values.
        raise StartError(f"the tokens file {path}: {where}: {first['msg']}") from None
    name, uses = Counter(token.name for token in file.token).most_common(1)[0] if file.token else ("", 0)
    if uses > 1:
        raise StartError(f"the tokens file {path} has {uses} tokens of the name {name!r}; names tell them apart")
    return Tokens(file.token)


def create_token(
    path: Path, name: str, scopes: frozenset[Scope], max_streams: int | None, audio_seconds_per_minute: float | None
) -> str:
    """A new token, whose hash is now at the end of the file; its text is kept nowhere. Raises StartError."""
    if path.exists() and name in read_tokens(path):
        raise StartError(f"the tokens file {path} has a token of the name {name!r} already; choose another")
    secret = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        token = Token(
            name=name,
            sha256=_digest(secret),
            scopes=scopes,
            max_streams=max_streams,
            audio_seconds_per_minute=audio_seconds_per_minute,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise StartError(f"{first['loc'][0]} is {first['input']!r}: {first['msg']}") from None
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(_entry(token))
    except OSError as error:
        raise StartError(f"cannot write the tokens file {path}: {error.strerror}") from error
    return secret


def _entry(token: Token) -> str:
    """As TOML; names and scopes have no character that would need to be escaped."""
    scopes = ", ".join(f'"{scope}"' for scope in sorted(token.scopes))
    lines = ["", "[[token]]", f'name = "{token.name}"', f'sha256 = "{token.sha256}"', f"scopes = [{scopes}]"]
    if token.max_streams is not None:
        lines.append(f"max_streams = {token.max_streams}")
    if token.audio_seconds_per_minute is not None:
        lines.append(f"audio_seconds_per_minute = {token.audio_seconds_per_minute}")
    return "\n".join(lines) + "\n"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
