"""Faults on a real stack of its own, and the proof that every line came through once."""
