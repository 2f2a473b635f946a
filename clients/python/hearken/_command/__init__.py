"""The command `hearken`; what it is made of is the extra `cli`, which need not be installed to use the library."""

import sys

EXIT_OK = 0
EXIT_FAILED = 1  # the server, the connection or the recognition
EXIT_USAGE = 2  # a wrong option, a missing file, audio that cannot be read, an extra that is not installed
EXIT_INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 done; 1 the server, the connection or the recognition failed (also: for one of several recordings);"
    " 2 wrong use, a missing file, unreadable audio, an extra that is not installed; 130 interrupted."
)


def main() -> None:
    """The entry point."""
    try:
        from hearken._command.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("rich", "typer"):
            raise
        print("hearken: the command needs more packages: `pip install 'hearken[cli]'`", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    app(prog_name="hearken")  # also for `python -m hearken`: shells complete by this name
