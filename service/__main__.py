"""`python -m service`: reads the settings and runs the server, or one of the other commands.

What a running server is, is left to service/running.py.
"""

from __future__ import annotations

import argparse
import sys

from service.batch_command import add_batch_command
from service.errors import StartError
from service.language_model_command import add_language_model_command
from service.running import run_and_exit
from service.settings import describe_settings, load_settings
from service.token_command import add_token_command
from service.version import server_version


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="The Hearken speech recognition server. It runs until SIGTERM or Ctrl-C.",
        epilog=describe_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=server_version())
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="other commands", metavar="")
    add_batch_command(commands)
    add_token_command(commands)
    add_language_model_command(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except StartError as error:
        sys.stderr.write(f"hearken: {error}\n")
        return 2


def _serve(_: argparse.Namespace) -> int:
    run_and_exit(load_settings())


if __name__ == "__main__":
    sys.exit(main())
