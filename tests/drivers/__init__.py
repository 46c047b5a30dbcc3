"""Tests of core.drivers."""
