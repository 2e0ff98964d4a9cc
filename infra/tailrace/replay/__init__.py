"""A span of the raw topic, read again through the present pipeline, and what it alters."""
