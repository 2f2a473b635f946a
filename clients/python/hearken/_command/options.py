"""The options that several commands share, and what they mean to the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hearken._client import Client

# Not HEARKEN_...: a server that is started in the same environment takes those for misspelt settings.
TOKEN_VARIABLE = "HEARKENCLIENT_TOKEN"

Server = Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the server is.")]
Tls = Annotated[
    bool, typer.Option("--tls", help="Encrypt, and check the server's certificate by the system's authorities.")
]
RootCertificates = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="PEM file of the authorities to check the server by; implies --tls."),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar=TOKEN_VARIABLE,
        show_default=False,
        help="Sent with each call; use it with TLS. The variable hides it from other users of this machine.",
    ),
]
ModelName = Annotated[str, typer.Option(metavar="NAME", help="A name from `hearken models`. Default: the server's.")]
LatencyMs = Annotated[
    int | None, typer.Option(help="How soon live captions come: 160, 320, 640 or 1280. Default: the model's.")
]
EndSilenceS = Annotated[
    float | None, typer.Option(help="Silence that ends an utterance, in seconds. Default: the server's.")
]


def connect(server: str, tls: bool, root_certificates: Path | None, token: str | None) -> Client:
    """A client for the server that the options name."""
    return Client(server, tls=tls, root_certificates=root_certificates, token=token or None)
