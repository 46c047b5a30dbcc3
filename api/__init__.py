"""The HTTP side of the registry: settings, the service around the application, and its routes."""

__all__: list[str] = []
