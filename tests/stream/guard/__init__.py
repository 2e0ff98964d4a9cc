"""The guard: values and keys that the index would refuse or pass over."""
