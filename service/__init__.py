"""The Hearken server: concurrency and gRPC around a recognizer. What is said in the audio is left to `models`."""
