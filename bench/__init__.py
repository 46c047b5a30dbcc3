"""Moorage beside docker's registry, measured: `python -m bench`, explained in performance.md."""

__all__: list[str] = []
