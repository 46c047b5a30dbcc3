"""Limits of what one client may do."""
