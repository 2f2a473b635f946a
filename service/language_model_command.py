"""`python -m service language-model`: a model package whose words come from a text. How is `models/language/`'s."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from models.errors import DataError, PackageError
from service.errors import StartError
from service.settings import load_settings, variable_of

_SHOWN_WORDS = 20


def add_language_model_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `language-model` to the commands; the chosen one is the argument `run`."""
    build = commands.add_parser(
        "language-model",
        help="make a model package for the words of a text",
        description="Makes a model package that expects the words and word order of a text. Serve it beside others with"
        f" {variable_of('models')}; callers choose it by its name, which is the output folder's.",
    )
    build.add_argument(
        "--text", action="append", required=True, type=Path, metavar="FILE", help="UTF-8 text; may be repeated"
    )
    build.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="the new package")
    build.add_argument(
        "--base", metavar="MODEL", help=f"name or path of the package to begin with; default: {variable_of('model')}"
    )
    build.add_argument("--order", type=_order, default=3, metavar="N", help="words in the longest n-gram; default: 3")
    build.add_argument(
        "--general-share",
        type=_share,
        default=0.5,
        metavar="X",
        help="share of the base's language model, 0 to 1: more for free speech, less for fixed phrases; default: 0.5",
    )
    build.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> int:
    from models.language.customize import customize
    from models.package import find_package

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        made = customize(
            find_package(arguments.base or load_settings().model),
            arguments.text,
            arguments.output,
            order=arguments.order,
            general_share=arguments.general_share,
        )
    except (DataError, PackageError) as error:
        raise StartError(str(error)) from error
    sys.stdout.write(f"{made.name}: {made.words} words in {made.sentences} sentences\n")
    for what, words in (
        ("pronounced by the rules of spelling", made.guessed),
        ("left out, because nothing is known about their letters", made.unpronounceable),
    ):
        if words:
            more = f" and {len(words) - _SHOWN_WORDS} more" if len(words) > _SHOWN_WORDS else ""
            sys.stdout.write(f"{what}: {', '.join(words[:_SHOWN_WORDS])}{more}\n")
    return 0


def _order(text: str) -> int:
    if text not in ("2", "3", "4", "5", "6"):
        raise argparse.ArgumentTypeError("choose 2 to 6")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("choose 0 to 1")
    return value
