"""Each recording has one outcome, whatever becomes of the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from service.bulk.crew import MOST_TRIES, Lost, transcribe_all
from service.bulk.worker import Done, Failed, Outcome


class FakeCrew:
    """Two workers that answer in order. deaths: how often a recording kills its worker."""

    def __init__(self, deaths: dict[str, int]) -> None:
        self.deaths = Counter(deaths)
        self.given: list[Path] = []
        self.most_busy = 0

    @property
    def idle(self) -> int:
        return 2 - len(self.given)

    @property
    def busy(self) -> int:
        return len(self.given)

    def give(self, recording: Path) -> None:
        self.given.append(recording)
        self.most_busy = max(self.most_busy, self.busy)

    def wait(self) -> Sequence[Outcome | Lost]:
        recording = self.given.pop(0)
        if self.deaths[recording.name]:
            self.deaths[recording.name] -= 1
            return [Lost(recording, "killed")]
        return [Done(recording, (), 1.0)]

    def close(self) -> None:
        pass


RECORDINGS = [Path(name) for name in "abcde"]


def test_every_recording_is_done_once_by_all_workers() -> None:
    crew = FakeCrew({})
    assert [outcome.recording for outcome in transcribe_all(RECORDINGS, crew)] == RECORDINGS
    assert crew.most_busy == 2


def test_a_recording_whose_worker_died_is_tried_again() -> None:
    outcomes = list(transcribe_all(RECORDINGS, FakeCrew({"b": MOST_TRIES - 1})))
    assert sorted(outcome.recording for outcome in outcomes) == RECORDINGS
    assert all(isinstance(outcome, Done) for outcome in outcomes)


def test_a_recording_that_kills_every_worker_is_given_up() -> None:
    outcomes = list(transcribe_all(RECORDINGS, FakeCrew({"b": 99})))
    assert sorted(outcome.recording for outcome in outcomes) == RECORDINGS
    (failed,) = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert failed == Failed(Path("b"), f"{MOST_TRIES} workers died over it; the last: killed")
