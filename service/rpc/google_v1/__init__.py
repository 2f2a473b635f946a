"""google.cloud.speech.v1.Speech for Google's client libraries: its messages are read and written, nothing is decided.

Needs the package google-cloud-speech, whose own message classes these are: two definitions of one protobuf package
cannot live in one process.
"""
