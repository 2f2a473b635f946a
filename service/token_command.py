"""`python -m service token create`: a new token, shown once. What a token is, is left to service/tokens.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from service.errors import StartError
from service.settings import load_settings, variable_of
from service.tokens import Scope, create_token


def add_token_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `token` to the commands; the chosen one is the argument `run`."""
    actions = commands.add_parser("token", help="make tokens for callers").add_subparsers(required=True)
    create = actions.add_parser(
        "create",
        help="print a new token and add its hash to the tokens file",
        description=f"Prints a new token, once, and adds its hash to the file that {variable_of('tokens_file')} names.",
    )
    create.add_argument("--name", required=True, help="whose it is; shown in the log")
    create.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        help="what it may do; may be repeated; default: everything",
    )
    create.add_argument("--max-streams", type=int, metavar="N", help="requests at a time; default: no limit of its own")
    create.add_argument(
        "--audio-seconds-per-minute", type=float, metavar="S", help="audio of all its requests; default: no limit"
    )
    create.set_defaults(run=_create)


def _create(arguments: argparse.Namespace) -> int:
    file = load_settings().tokens_file
    if not file:
        raise StartError(f"{variable_of('tokens_file')} is not set; set it to the file that holds the tokens' hashes")
    secret = create_token(
        Path(file),
        arguments.name,
        frozenset(map(Scope, arguments.scope or Scope)),
        arguments.max_streams,
        arguments.audio_seconds_per_minute,
    )
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"Keep it: only its hash is in {file}. A server that uses the file knows it already.\n")
    return 0
