"""Audio to text: features, acoustic model, decoding, streams. No network, no asyncio, no protobuf."""
