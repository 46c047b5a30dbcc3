"""The registry over HTTP: `api.app.create_app` is where to start reading."""

__all__: list[str] = []
