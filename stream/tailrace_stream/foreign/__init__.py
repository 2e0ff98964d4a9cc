"""Events of other collectors, read from topics of the user's own (`[[stream.foreign]]`)."""
