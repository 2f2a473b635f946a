"""nvidia.riva.asr.RivaSpeechRecognition for NVIDIA's client libraries: its messages are read and written.

Needs the package nvidia-riva-client, whose own message classes these are: two definitions of one protobuf package
cannot live in one process.
"""
