"""Tests of how the source is built, rather than of what it does."""
