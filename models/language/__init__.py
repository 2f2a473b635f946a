"""N-gram language models: from sentences to an ARPA file. How a search uses one is `decoding/`'s."""
