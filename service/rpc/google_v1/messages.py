"""The messages of google.cloud.speech.v1, from the official package, and the description of their service."""

from __future__ import annotations

from typing import Any

from google.cloud.speech_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

RecognizeRequest: Any = types.RecognizeRequest.pb()
RecognizeResponse: Any = types.RecognizeResponse.pb()
LongRunningRecognizeRequest: Any = types.LongRunningRecognizeRequest.pb()
LongRunningRecognizeResponse: Any = types.LongRunningRecognizeResponse.pb()
LongRunningRecognizeMetadata: Any = types.LongRunningRecognizeMetadata.pb()
StreamingRecognizeRequest: Any = types.StreamingRecognizeRequest.pb()
StreamingRecognizeResponse: Any = types.StreamingRecognizeResponse.pb()
StreamingRecognitionConfig: Any = types.StreamingRecognitionConfig.pb()
StreamingRecognitionResult: Any = types.StreamingRecognitionResult.pb()
SpeechRecognitionResult: Any = types.SpeechRecognitionResult.pb()
SpeechRecognitionAlternative: Any = types.SpeechRecognitionAlternative.pb()
RecognitionConfig: Any = types.RecognitionConfig.pb()
WordInfo: Any = types.WordInfo.pb()
Operation: Any = operations_pb2.Operation
GetOperationRequest: Any = operations_pb2.GetOperationRequest

SPEECH = "google.cloud.speech.v1.Speech"
OPERATIONS = "google.longrunning.Operations"

_METHODS = (
    # name, request, response, whether both are streams
    ("Recognize", RecognizeRequest, RecognizeResponse, False),
    ("LongRunningRecognize", LongRunningRecognizeRequest, Operation, False),
    ("StreamingRecognize", StreamingRecognizeRequest, StreamingRecognizeResponse, True),
)


def describe_service() -> None:
    """Makes the service known to reflection: the official package describes its messages, but not its service."""
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(SPEECH)
        return
    except KeyError:
        pass
    package, _, name = SPEECH.rpartition(".")
    file = FileDescriptorProto(name="hearken/google_cloud_speech_v1.proto", package=package, syntax="proto3")
    service = file.service.add(name=name)
    for method, request, response, is_stream in _METHODS:
        service.method.add(
            name=method,
            input_type="." + request.DESCRIPTOR.full_name,
            output_type="." + response.DESCRIPTOR.full_name,
            client_streaming=is_stream,
            server_streaming=is_stream,
        )
    kinds = [kind for _, request, response, _ in _METHODS for kind in (request, response)]
    file.dependency.extend(sorted({kind.DESCRIPTOR.file.name for kind in kinds}))
    pool.Add(file)
