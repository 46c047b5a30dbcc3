"""The access line that is written out is the one that an encoder makes of the fields."""

import json
import time
from datetime import UTC, datetime

import pytest

from api.serving.access_line import fields_of, json_line
from api.serving.exchange import Exchange, Message, RequestIds, Scope

__all__: list[str] = []


async def _receive() -> Message:
    return {"type": "http.disconnect"}


async def _send(message: Message) -> None:
    """Take a message, and do nothing with it."""


def _exchange(**changes: object) -> Exchange:
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/v2/",
        "raw_path": b"/v2/",
        "query_string": b"",
        "client": ("127.0.0.1", 5000),
        "headers": [(b"user-agent", b"probe/1")],
    }
    return Exchange({**scope, **changes}, _receive, _send, RequestIds())


_STRANGE = bytes(range(1, 256))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"raw_path": _STRANGE},
        {"raw_path": None, "path": "/v2/\u20ac"},
        {"headers": [(b"user-agent", _STRANGE)]},
        {"headers": [(b"x-request-id", b'"\\"')]},
        {"method": '"'},
        {"query_string": b'n=1&token=secret&"'},
        {"client": None},
        {"client": ("proxy\\", 0)},
    ],
)
@pytest.mark.parametrize("ending", ["complete", "hung_up", "cut"])
def test_an_access_line_is_what_an_encoder_makes_of_its_fields(
    changes: dict[str, object], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 1.0)
    exchange = _exchange(**changes)
    exchange.complete = ending == "complete"
    exchange.hung_up = ending == "hung_up"
    exchange.status, exchange.sent_bytes, exchange.received_bytes = 201, 2, 3
    exchange.started = 0.123456789
    at = 1_700_000_000.25
    encoded = json.dumps(
        {
            "timestamp": "2023-11-14T22:13:20.250000Z",
            "level": "info",
            "event": "request",
            "request_id": exchange.request_id.decode(),
            **fields_of(exchange),
        }
    )
    assert json_line(exchange, at) == encoded


@pytest.mark.parametrize("at", [0.0, 1.9999999, 1_700_000_000.0, 1_700_000_000.000001, 2e9 - 1e-6])
def test_the_time_of_a_line_has_six_places(at: float) -> None:
    said: str = json.loads(json_line(_exchange(), at))["timestamp"]
    assert len(said) == len("2023-11-14T22:13:20.250000Z")
    assert datetime.fromisoformat(said) == datetime.fromtimestamp(round(at, 6), UTC)
