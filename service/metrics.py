"""Every metric's name, labels and help. When each one moves is left to the code that it measures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_LOOP_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)

OF_EACH = frozenset(
    {
        "hearken_model_info",
        "hearken_audio_cost_ratio",
        "hearken_step_wait_ratio",
        "process_start_time_seconds",
        "process_max_fds",
    }
)
"""Gauges that do not add up over processes: of several the largest says most."""


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams_active = Gauge("hearken_streams_active", "Requests being recognized now.", registry=self.registry)
        self.streams = Counter(
            "hearken_streams", "Requests admitted to recognition.", ["method"], registry=self.registry
        )
        self.streams_refused = Counter(
            "hearken_streams_refused",
            "Requests turned away, or ended early by a limit, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.audio_seconds = Counter("hearken_audio_seconds", "Audio received, in seconds.", registry=self.registry)
        self.results = Counter("hearken_results", "Results sent: interim or final.", ["kind"], registry=self.registry)
        self.errors = Counter(
            "hearken_errors", "Requests that did not end with OK, by gRPC status.", ["status"], registry=self.registry
        )
        self.batch_size = Histogram(
            "hearken_batch_size",
            "Streams moved forward by one call of the model.",
            buckets=_BATCH_SIZES,
            registry=self.registry,
        )
        self.advance_seconds = Histogram(
            "hearken_advance_seconds",
            "Duration of one call of the model, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.decode_seconds = Histogram(
            "hearken_decode_seconds",
            "Search for a final result, from the wish to the result, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.interim_latency_seconds = Histogram(
            "hearken_interim_latency_seconds",
            "From the arrival of audio to the interim result that covers it, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.final_latency_seconds = Histogram(
            "hearken_final_latency_seconds",
            "From the arrival of the audio that ended an utterance to its final result, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.lag_seconds = Histogram(
            "hearken_lag_seconds",
            "Audio received that a result does not cover yet, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.model_info = Gauge(
            "hearken_model_info",
            "1 for each model that serves.",
            ["model", "language", "device"],
            registry=self.registry,
        )
        self.model_reloads = Counter(
            "hearken_model_reloads", "Reloads of the models: done or failed.", ["outcome"], registry=self.registry
        )
        self.audio_cost = Gauge(
            "hearken_audio_cost_ratio", "CPU seconds that a second of audio takes at present.", registry=self.registry
        )
        self.free_cores = Gauge(
            "hearken_free_cores",
            "CPU cores that other programs leave to the server at present.",
            registry=self.registry,
        )
        self.step_wait = Gauge(
            "hearken_step_wait_ratio",
            "Mean time of the last seconds for a step of a stream, its waiting included, as a share of its latency.",
            registry=self.registry,
        )
        self.event_loop_delay_seconds = Histogram(
            "hearken_event_loop_delay_seconds",
            "By how much a timer of the event loop came late, in seconds.",
            buckets=_LOOP_SECONDS,
            registry=self.registry,
        )
        self.device_memory_bytes = Gauge(
            "hearken_device_memory_bytes", "Memory of the GPU that the models hold; 0 on CPUs.", registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.queue_seconds = Histogram(
            "hearken_queue_seconds",
            "Time that a stream waited for its turn in the model, in seconds.",
            buckets=_SECONDS,
            registry=self.registry,
        )
