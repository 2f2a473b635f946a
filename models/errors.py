"""Everything that `models` raises on purpose, as one tree. Mapping to gRPC status codes is the service's job.

HearkenError
├── InvalidAudio         audio bytes that cannot be what the caller says they are
│   └── HeaderMismatch   the header of the audio says something else than the caller
├── InvalidOptions       a recognition option outside what this model offers
├── PackageError         a model package that is missing, damaged or foreign
├── DeviceError          a named device that this machine does not have
├── OutOfMemory          the device has no room for this step; smaller or later ones may fit
├── DeviceLost           the device has failed; only a new process can use it again
├── DecodingFailed       an utterance that ends the processes which decode it
└── DataError            training or evaluation data that cannot be used
"""

from __future__ import annotations


class HearkenError(Exception):
    """Base of all errors of this project; the text is one sentence which says what to do."""


class InvalidAudio(HearkenError):
    """Audio bytes that cannot be what the caller says they are."""


class HeaderMismatch(InvalidAudio):
    """The header of the audio says something else than the caller.

    what: "encoding", "sample rate in Hz" or "number of channels". given: by the caller.
    """

    def __init__(self, what: str, given: object, container: str, said: object) -> None:
        super().__init__(f"the {what} was given as {given}, but the {container} header says {said}")
        self.what, self.given, self.container, self.said = what, given, container, said


class InvalidOptions(HearkenError):
    """A recognition option outside what this model offers."""


class PackageError(HearkenError):
    """A model package that is missing, damaged or foreign."""


class DeviceError(HearkenError):
    """A named device that this machine does not have."""


class OutOfMemory(HearkenError):
    """The device has no room for this step; smaller or later ones may fit."""


class DeviceLost(HearkenError):
    """The device has failed; only a new process can use it again."""


class DecodingFailed(HearkenError):
    """An utterance that ends the processes which decode it."""


class DataError(HearkenError):
    """Training or evaluation data that cannot be used."""
