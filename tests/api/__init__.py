"""The protocol over HTTP, against the registry in a process of its own."""
