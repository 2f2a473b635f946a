"""`python -m service batch`: transcribes many recordings into files. How is `bulk/`'s; no server runs."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import PackageError
from service.bulk.crew import Crew, transcribe_all
from service.bulk.progress import Tally
from service.bulk.recordings import Task, plan, write_whole
from service.bulk.transcripts import Format, render
from service.bulk.worker import Done, Failed, ModelWorker, Outcome
from service.errors import StartError
from service.settings import load_settings, variable_of

SOME_FAILED = 3


def add_batch_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `batch` to the commands; the chosen one is the argument `run`."""
    batch = commands.add_parser(
        "batch",
        help="transcribe many recordings into files",
        description="Transcribes recordings into files. Run again, it does what is not done yet: recordings without"
        " transcript, and those that are newer than theirs.",
        epilog=f"Exit codes: 0, all are transcribed; 2, it cannot start; {SOME_FAILED}, some could not be transcribed,"
        " with the reason on stderr.",
        fromfile_prefix_chars="@",
    )
    batch.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="INPUT",
        help="recording, folder with recordings, or @FILE with one of them a line",
    )
    batch.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the transcripts")
    batch.add_argument(
        "--format",
        action="append",
        type=Format,
        choices=list(Format),
        help="a line of JSON an utterance, or subtitles; may be repeated; default: jsonl",
    )
    batch.add_argument("--separate-channels", action="store_true", help="recognize each channel by itself")
    batch.add_argument("--model", help=f"name or path of the model package; default: {variable_of('model')}")
    batch.add_argument("--device", help=f"cpu, cuda, cuda:N or auto; default: {variable_of('device')}")
    batch.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="recordings at a time; each loads the model; default: the cores of this machine, or the CPUs (with"
        " --device cuda the GPUs) of the Ray cluster",
    )
    batch.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on the Ray cluster there (needs the extra `ray`); all its nodes must see the recordings and the"
        " model under the same paths",
    )
    batch.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("models").setLevel(logging.WARNING)
    formats: list[Format] = list(dict.fromkeys(arguments.format or [Format.JSONL]))
    tasks = plan(arguments.inputs, arguments.output, formats)
    undone = [task for task in tasks if not task.is_done]
    tally = Tally(len(undone))
    try:
        if undone:
            _transcribe(undone, formats, arguments, tally)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run it again to go on\n")
        return 130
    for failed in tally.failed:
        sys.stderr.write(f"{failed.recording}: {failed.reason}\n")
    sys.stderr.write(
        f"{tally.done} transcribed, {len(tasks) - len(undone)} were done already, {len(tally.failed)} failed\n"
    )
    return SOME_FAILED if tally.failed else 0


def _transcribe(tasks: Sequence[Task], formats: Sequence[Format], arguments: argparse.Namespace, tally: Tally) -> None:
    by_recording = {task.recording.absolute(): task for task in tasks}
    crew = _crew(arguments, most=len(tasks))
    try:
        with tally:
            for outcome in transcribe_all(by_recording, crew):
                tally.count(_written(outcome, by_recording[outcome.recording], formats))
    finally:
        crew.close()


def _written(outcome: Outcome, task: Task, formats: Sequence[Format]) -> Outcome:
    """The outcome after its files have been written, under the name by which the recording was given."""
    if isinstance(outcome, Failed):
        return Failed(task.recording, outcome.reason)
    try:
        for path, form in zip(task.outputs, formats, strict=True):
            write_whole(path, render(str(task.recording), outcome.results, form))
    except OSError as error:
        return Failed(task.recording, f"its transcript cannot be written: {error.strerror}")
    return Done(task.recording, outcome.results, outcome.audio_s)


def _crew(arguments: argparse.Namespace, most: int) -> Crew:
    """As many workers as wanted, at most as many as there are recordings."""
    from models.package import find_package

    settings = load_settings()
    try:
        package = find_package(arguments.model or settings.model)
    except PackageError as error:
        raise StartError(str(error)) from error
    device = arguments.device or settings.device
    worker = ModelWorker(package.absolute(), device, arguments.separate_channels)
    if arguments.ray is None:
        from service.bulk.processes import Processes

        return Processes(worker, min(arguments.workers or len(os.sched_getaffinity(0)), most))
    try:
        from service.bulk.ray_actors import RayActors
    except ImportError as error:
        raise StartError("--ray needs Ray: pip install -c constraints.txt '.[ray]' in the checkout") from error
    return RayActors(worker, arguments.ray, arguments.workers)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)
