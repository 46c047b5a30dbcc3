"""Tarsums of archives that are built here, and of those that others have summed."""
