"""How often, and after which answers, a request to Azure is sent again."""

import random
from collections.abc import Callable
from typing import Any

from anyio import sleep
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

__all__ = ["RetryPolicy"]

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 20.0

# What the library puts among the options for its own policy, and the transport does not know.
_FOREIGN_OPTIONS = ("hosts", "retry_to_secondary")


class RetryPolicy(AsyncHTTPPolicy[Any, Any]):
    """Sends a request up to a number of times, while the service is busy or cannot be reached.

    The library's own policy does not send again what was refused with 429, overlooks
    `Retry-After`, and waits 15 seconds at first. A call that has to know whether an earlier try
    may have succeeded unseen passes `retry_hook`, which is called before each further one.
    """

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self._attempts = attempts

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Return the first answer that is final, or the last one."""
        options = request.context.options
        for name in _FOREIGN_OPTIONS:
            options.pop(name, None)
        location = options.pop("location_mode", "primary")
        on_retry: Callable[[], None] | None = options.pop("retry_hook", None)
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            wanted = 0.0
            try:
                response = await self.next.send(request)
            except AzureError:
                if last:
                    raise
            else:
                if last or response.http_response.status_code not in _TRANSIENT:
                    # The library reads there which of its endpoints has answered.
                    response.http_response.location_mode = location
                    return response
                wanted = _retry_after(response)
                await _close(response)
            if on_retry is not None:
                on_retry()
            await sleep(max(wanted, _backoff(attempt)))
        raise AssertionError("the last attempt returns or raises")


def _backoff(attempt: int) -> float:
    longest = min(_FIRST_SECONDS * 2.0**attempt, _LONGEST_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _retry_after(response: PipelineResponse[Any, Any]) -> float:
    text = str(response.http_response.headers.get("Retry-After", ""))
    return min(float(text), _LONGEST_SECONDS) if text.isdecimal() else 0.0


async def _close(response: PipelineResponse[Any, Any]) -> None:
    """Give back the connection of an answer whose body nobody reads."""
    close = response.http_response.close()
    if close is not None:
        await close
