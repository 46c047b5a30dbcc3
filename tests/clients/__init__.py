"""The registry driven by programs nobody here wrote."""

__all__: list[str] = []
