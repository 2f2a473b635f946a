"""Word error rates of a model package, whole-utterance and streaming."""
