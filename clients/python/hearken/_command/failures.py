"""What can go wrong, as one sentence on the standard error and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from hearken._command import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from hearken._errors import AudioError, HearkenError, MissingExtra


def explain(error: HearkenError | OSError) -> tuple[str, int]:
    """The sentence and the exit code."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}", EXIT_USAGE
    return str(error), EXIT_USAGE if isinstance(error, AudioError | MissingExtra) else EXIT_FAILED


def tell(sentence: str) -> None:
    """Prints it where errors go."""
    print(f"hearken: {sentence}", file=sys.stderr, flush=True)


def refuse(sentence: str) -> NoReturn:
    """Ends the command because it was used wrongly."""
    tell(sentence)
    raise typer.Exit(EXIT_USAGE)


@contextmanager
def explained_errors() -> Iterator[None]:
    """Ends the command with a sentence instead of a traceback."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; typer ends quietly
    except (HearkenError, OSError) as error:
        sentence, code = explain(error)
        tell(sentence)
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
