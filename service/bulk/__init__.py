"""Bulk transcription: many recordings, by processes of this machine or actors of a Ray cluster. No server is needed."""
