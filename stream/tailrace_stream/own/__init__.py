"""Parsers that a user describes: patterns out of the settings, read as columns like ours."""
