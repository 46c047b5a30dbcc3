"""The registry without HTTP: digests, storage drivers, manifests, and what they mean together."""

__all__: list[str] = []
