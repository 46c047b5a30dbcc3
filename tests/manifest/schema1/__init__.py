"""Tests of core.manifest."""
