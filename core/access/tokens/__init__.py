"""Tokens: made here, and verified."""
