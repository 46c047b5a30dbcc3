"""Tests of Moorage; they mirror the packages they test."""
