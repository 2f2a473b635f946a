"""The metrics of several processes as if they were of one: counts add up, also those of processes that have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service.metrics import OF_EACH

Source = tuple[int, int, str | None]
"""A place, which process of it this is, and its metrics as text; None: it does not answer."""

_Key = tuple[str, tuple[tuple[str, str], ...]]
_COUNTS = ("counter", "histogram")


class MergedMetrics(Collector):
    """Asks for all metrics whenever it is collected."""

    def __init__(self, fetch: Callable[[], Sequence[Source]]) -> None:
        self._fetch = fetch
        self._generations: dict[int, int] = {}
        self._latest: dict[int, dict[_Key, float]] = defaultdict(dict)
        self._ended: dict[_Key, float] = defaultdict(float)

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are known when processes answer."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One family a name."""
        families: dict[str, Metric] = {}
        gauges: dict[_Key, float] = {}
        shown: dict[str, dict[_Key, Sample]] = defaultdict(dict)
        for place, generation, text in self._fetch():
            self._note_generation(place, generation)
            for family in text_string_to_metric_families(text or ""):
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    key = sample.name, tuple(sorted(sample.labels.items()))
                    shown[family.name][key] = sample
                    if family.type in _COUNTS:
                        self._latest[place][key] = sample.value
                    elif family.name in OF_EACH:
                        gauges[key] = max(gauges.get(key, 0.0), sample.value)
                    else:
                        gauges[key] = gauges.get(key, 0.0) + sample.value
        for name, family in families.items():
            for key, sample in shown[name].items():
                value = self._total(key) if family.type in _COUNTS else gauges[key]
                family.add_sample(sample.name, sample.labels, value)
            yield family

    def _note_generation(self, place: int, generation: int) -> None:
        """Keeps the counts of a process that has been replaced."""
        if self._generations.get(place, generation) != generation:
            for key, value in self._latest.pop(place, {}).items():
                self._ended[key] += value
        self._generations[place] = generation

    def _total(self, key: _Key) -> float:
        return self._ended.get(key, 0.0) + sum(own.get(key, 0.0) for own in self._latest.values())
