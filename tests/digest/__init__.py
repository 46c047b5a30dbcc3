"""Tests of core.digest."""
