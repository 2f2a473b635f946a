"""The wire: what callers send and receive over gRPC. Everything behind it knows no protobuf."""
