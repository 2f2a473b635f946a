"""The command line: which commands there are, and the shortest of them, `models`."""

from __future__ import annotations

import typer
from rich.console import Console

from hearken._command import EXIT_CODES, formats
from hearken._command.failures import explained_errors
from hearken._command.listen import listen
from hearken._command.load import load
from hearken._command.options import Target, for_a_server
from hearken._command.transcribe import transcribe

app = typer.Typer(
    help="Speech to text by a Hearken server.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def models(target: Target) -> None:
    """List the models that the server offers, its default first."""
    with explained_errors(), target.client() as client:
        offered = client.models()
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(formats.models_table(offered))
    else:
        for model in offered:
            print(formats.model_line(model))


for command in (transcribe, listen, models, load):
    app.command(epilog=EXIT_CODES)(for_a_server(command))
