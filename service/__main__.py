"""`python -m service`: reads the settings and runs the server. Everything else is left to service/app.py."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys

from service import app
from service.errors import SettingsError
from service.settings import describe_settings, load_settings


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="The Hearken speech recognition server. It runs until SIGTERM or Ctrl-C.",
        epilog=describe_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"hearken: {error}\n")
        return 2
    return app.run(settings)


def _version() -> str:
    try:
        return importlib.metadata.version("hearken-server")
    except importlib.metadata.PackageNotFoundError:
        return "hearken-server, from a checkout that is not installed"


if __name__ == "__main__":
    sys.exit(main())
