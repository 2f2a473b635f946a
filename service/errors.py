"""Everything that `service` raises on purpose, as one tree. gRPC status codes are left to service/rpc/errors.py.

HearkenError                 (models.errors)
└── ServiceError
    ├── StartError           the server cannot start as it is configured: exit code 2
    │   └── SettingsError    a setting that does not exist or has an impossible value
    ├── InvalidRequest       a message, or an order of messages, that the protocol or this server does not allow
    │   └── RecordingTooLong too much audio for one answer
    ├── UnknownOperation     no operation of that name, or another caller's
    ├── Refused              a request that would be fine at another time or place
    │   ├── ServerFull       as many streams as this server takes are running
    │   ├── ServerBusy       one stream more would make all of them late
    │   ├── StillLoading     the model is not ready yet
    │   ├── ShuttingDown     the server has been told to stop
    │   ├── Unauthenticated  a token is needed and is missing or not known
    │   ├── PermissionDenied the token may not do this
    │   ├── TooManyStreams   the address or the token has as many streams as it may have
    │   ├── TooManyOperations  as many operations as this server keeps are running
    │   └── LimitReached     also ends streams that run; the audio received so far gets its results first
    │       ├── QuotaExhausted   the token has used up its audio
    │       ├── IdleTooLong      nothing has been sent for too long
    │       ├── TooSlow          so little audio comes that the place is better given to somebody else
    │       ├── StreamTooLong    the stream has brought as much audio as one stream may
    │       └── Draining         the server is stopping and could not wait any longer for this stream to end
    └── EngineStopped        the inference thread is gone; nothing can be recognized any more
"""

from __future__ import annotations

from typing import ClassVar

from models.errors import HearkenError


class ServiceError(HearkenError):
    """Base of the service's errors; the text is one sentence which says what to do."""


class StartError(ServiceError):
    """The server cannot start as it is configured."""


class SettingsError(StartError):
    """A setting that does not exist or has an impossible value."""


class InvalidRequest(ServiceError):
    """A message, or an order of messages, that the protocol or this server does not allow. Names the field."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class RecordingTooLong(InvalidRequest):
    """A recording that is to be recognized whole, and at once, but takes too long for that."""

    def __init__(self, max_audio_s: float) -> None:
        super().__init__(
            "audio", f"longer than the {max_audio_s:g} s that are recognized whole; use StreamingRecognize"
        )
        self.max_audio_s = max_audio_s


class UnknownOperation(ServiceError):
    """There is no operation of that name, or it is another caller's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no operation {name[:100]!r} here; those that are done are kept for a while only")


class Refused(ServiceError):
    """A request that would be fine at another time or place.

    reason: its label in the metrics. retry_after_s: when to try again, if that is known.
    """

    reason: ClassVar[str]
    retry_after_s: float | None = None


class ServerFull(Refused):
    """As many streams as this server takes are running."""

    reason = "full"

    def __init__(self, max_streams: int, retry_after_s: float) -> None:
        super().__init__(
            f"all {max_streams} places of this server are taken; try again in {retry_after_s:g} s or use another server"
        )
        self.retry_after_s = retry_after_s


class ServerBusy(Refused):
    """One stream more would make all of them late."""

    reason = "busy"

    def __init__(self, streams: int, retry_after_s: float) -> None:
        super().__init__(
            f"this server is busy with {streams} streams, and more would be late; try again in {retry_after_s:g} s or"
            " use another server"
        )
        self.retry_after_s = retry_after_s


class StillLoading(Refused):
    """The model is not ready yet."""

    reason = "loading"

    def __init__(self) -> None:
        super().__init__("the server is still loading its model; try again when its health says SERVING")


class ShuttingDown(Refused):
    """The server has been told to stop."""

    reason = "draining"

    def __init__(self) -> None:
        super().__init__("the server is shutting down; use another server, or try again when it is back")


class Unauthenticated(Refused):
    """A token is needed and is missing or not known."""

    reason = "unauthenticated"


class PermissionDenied(Refused):
    """The token may not do this."""

    reason = "permission"


class TooManyStreams(Refused):
    """The address or the token has as many streams as it may have. who: "this address" or "this token"."""

    reason = "streams"

    def __init__(self, who: str, max_streams: int, retry_after_s: float) -> None:
        super().__init__(
            f"{who} may have {max_streams} streams at a time and has them; end one, or try again in {retry_after_s:g} s"
        )
        self.retry_after_s = retry_after_s


class TooManyOperations(Refused):
    """As many operations as this server keeps are running."""

    reason = "operations"

    def __init__(self, most: int, retry_after_s: float) -> None:
        super().__init__(f"all {most} operations that this server keeps are running; try again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class LimitReached(Refused):
    """Also ends streams that run; the audio received so far gets its results first."""


class QuotaExhausted(LimitReached):
    """The token has used up its audio."""

    reason = "quota"

    def __init__(self, audio_seconds_per_minute: float, retry_after_s: float) -> None:
        super().__init__(
            f"this token has used up its {audio_seconds_per_minute:g} s of audio a minute;"
            f" try again in {retry_after_s:.0f} s"
        )
        self.retry_after_s = retry_after_s


class IdleTooLong(LimitReached):
    """Nothing has been sent for too long."""

    reason = "idle"

    def __init__(self, idle_timeout_s: float) -> None:
        super().__init__(
            f"nothing was sent for {idle_timeout_s:g} s, so this stream has ended; open a new one when there is audio"
        )


class TooSlow(LimitReached):
    """So little audio comes that the place is better given to somebody else."""

    reason = "slow"

    def __init__(self, min_pace: float) -> None:
        super().__init__(
            f"this stream has brought less than {min_pace:g} s of audio a second for too long, so it has ended;"
            " open a new one when there is audio"
        )


class StreamTooLong(LimitReached):
    """The stream has brought as much audio as one stream may."""

    reason = "length"

    def __init__(self, max_stream_s: float) -> None:
        super().__init__(f"this stream has reached {max_stream_s:g} s of audio, the most for one; go on with a new one")
        self.max_stream_s = max_stream_s


class Draining(LimitReached):
    """The server is stopping and could not wait any longer for this stream to end."""

    reason = "drained"

    def __init__(self, received_s: float) -> None:
        super().__init__(
            f"the server is shutting down and has ended this stream after {received_s:.2f} s of audio, all of which is"
            " recognized; reconnect and go on from there"
        )


class EngineStopped(ServiceError):
    """The inference thread is gone; nothing can be recognized any more."""

    def __init__(self) -> None:
        super().__init__("recognition has stopped on this server; use another server and tell its operator")
