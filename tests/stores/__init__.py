"""Tests of the whole service over object stores, run as real servers."""
