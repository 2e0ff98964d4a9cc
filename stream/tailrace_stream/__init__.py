"""The stream: chunks become documents, counts and dead letters."""
