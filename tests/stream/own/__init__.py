"""Parsers of a user: patterns, fields, times, and what is said of them."""
