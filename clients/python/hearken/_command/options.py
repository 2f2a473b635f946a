"""The options that several commands share, and what they mean to the library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from hearken._client import Client
from hearken._command.failures import refuse
from hearken._connection import DEFAULT_SERVER, ConnectionOptions
from hearken._options import TranscribeOptions

# Not HEARKEN_...: a server that is started in the same environment takes those for misspelt settings.
TOKEN_VARIABLE = "HEARKENCLIENT_TOKEN"  # noqa: S105

ModelName = Annotated[str, typer.Option(metavar="NAME", help="A name from `hearken models`. Default: the server's.")]
LatencyMs = Annotated[
    int | None, typer.Option(help="How soon live captions come: 160, 320, 640 or 1280. Default: the model's.")
]
EndSilenceS = Annotated[
    float | None, typer.Option(help="Silence that ends an utterance, in seconds. Default: the server's.")
]
Hints = Annotated[
    list[str] | None, typer.Option("--hint", metavar="PHRASE", help="A name or phrase to expect; may be repeated.")
]
Punctuation = Annotated[bool, typer.Option("--punctuation", help="Capitals and punctuation, by rules.")]
Digits = Annotated[bool, typer.Option("--digits", help="Numbers, dates and the like in digits, by rules.")]


@dataclass(frozen=True, slots=True)
class Target:
    """The server that the options name, and how it is reached."""

    server: str
    connection: ConnectionOptions

    def client(self) -> Client:
        """A client for it. Raises OSError if a certificate cannot be read."""
        return Client(self.server, **self.connection)


def for_a_server(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options which name a server to a command; it gets what they mean as its argument `target`."""

    @wraps(command)
    def wrapped(**options: Any) -> None:
        own = {name: options.pop(name) for name in own_names}
        command(**own, target=_target(**options))

    hints = get_type_hints(command, include_extras=True) | get_type_hints(_target, include_extras=True)
    own_names = [name for name in signature(command).parameters if name != "target"]
    parameters = [
        item.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[item.name])
        for item in (*signature(command).parameters.values(), *signature(_target).parameters.values())
        if item.name != "target"
    ]
    wrapped.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {item.name: item.annotation for item in parameters}
    return wrapped


def _target(
    server: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the server is.")] = DEFAULT_SERVER,
    tls: Annotated[
        bool, typer.Option("--tls", help="Encrypt, and check the server's certificate by the system's authorities.")
    ] = False,
    root_certificates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file of the authorities to check the server by; implies --tls."),
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file by which the server knows this client (mutual TLS).")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM file of that certificate's key.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            show_default=False,
            help="Sent with each call; use it with TLS. The variable hides it from other users of this machine.",
        ),
    ] = None,
) -> Target:
    if (client_certificate is None) != (client_key is None):
        refuse("--client-certificate and --client-key belong together; give both or neither")
    return Target(
        server,
        ConnectionOptions(
            tls=tls,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            token=token or None,
        ),
    )


def recognition(
    *, model: str, end_silence_s: float | None, hints: list[str] | None, punctuation: bool, digits: bool, words: bool
) -> TranscribeOptions:
    """What the options that say what to recognize mean to the library."""
    return TranscribeOptions(
        model=model,
        end_silence_s=end_silence_s,
        phrase_hints=hints or [],
        automatic_punctuation=punctuation,
        inverse_text_normalization=digits,
        word_info=words,
    )
