"""A span of the raw topic, read again."""
