"""Tests of what a file proposes of itself."""
