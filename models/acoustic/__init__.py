"""The bidirectional acoustic model and the state that a stream carries between chunks."""
