"""The messages of nvidia.riva.asr, from the official package."""

from __future__ import annotations

from typing import Any

from riva.client.proto import riva_asr_pb2, riva_audio_pb2

AudioEncoding: Any = riva_audio_pb2
RecognizeRequest: Any = riva_asr_pb2.RecognizeRequest
RecognizeResponse: Any = riva_asr_pb2.RecognizeResponse
StreamingRecognizeRequest: Any = riva_asr_pb2.StreamingRecognizeRequest
StreamingRecognizeResponse: Any = riva_asr_pb2.StreamingRecognizeResponse
StreamingRecognitionConfig: Any = riva_asr_pb2.StreamingRecognitionConfig
StreamingRecognitionResult: Any = riva_asr_pb2.StreamingRecognitionResult
SpeechRecognitionResult: Any = riva_asr_pb2.SpeechRecognitionResult
SpeechRecognitionAlternative: Any = riva_asr_pb2.SpeechRecognitionAlternative
WordInfo: Any = riva_asr_pb2.WordInfo
ConfigRequest: Any = riva_asr_pb2.RivaSpeechRecognitionConfigRequest
ConfigResponse: Any = riva_asr_pb2.RivaSpeechRecognitionConfigResponse

RIVA = "nvidia.riva.asr.RivaSpeechRecognition"
