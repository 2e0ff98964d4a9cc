"""Redaction in the stream: planted canaries, and where none may be found."""
