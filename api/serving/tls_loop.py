"""An event loop whose servers do not wait for ever for clients to end their handshakes."""

from typing import Any

import uvloop

__all__ = ["HandshakeLoop"]


class HandshakeLoop(uvloop.Loop):
    """Uvloop's, with a bound on handshakes, which uvicorn has no option for."""

    def __init__(self, handshake_timeout_seconds: float) -> None:
        """Give a client so long from connecting to the end of its handshake."""
        super().__init__()
        self._handshake_timeout_seconds = handshake_timeout_seconds

    async def create_server(self, *arguments: Any, **options: Any) -> Any:
        """Create a server as ever."""
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", self._handshake_timeout_seconds)
        return await super().create_server(*arguments, **options)
