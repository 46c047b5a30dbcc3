"""Structured log lines: one line an event, on standard error, ours and every library's alike."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from select import PIPE_BUF

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.serving.exchange import REQUEST_ID
from api.settings.groups import LogSettings

__all__ = ["configure_logging", "write_audit_line", "write_lines"]

# Made once: `json.dumps` makes an encoder for each call that has options.
_ENCODER = json.JSONEncoder(default=repr)
_PROCESSORS: list[Processor] = []
_OURS = frozenset({"event", "exception", "stack"})
"""Fields of several lines, which no client has a say in."""

_UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


def configure_logging(settings: LogSettings) -> None:
    """Send everything that this process logs to standard error, one structured line each.

    Calling it again replaces what an earlier call set up.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(settings)
    # Loggers that have been used keep the list that they have met first.
    _PROCESSORS[:] = [*shared, *rendering]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendering,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    _take_over_uvicorn(level)


def write_lines(lines: Iterable[str]) -> None:
    """Write many lines, which are ASCII and have no end yet, in far fewer calls of the system."""
    pending: list[str] = []
    size = 0
    for line in lines:
        # No write is larger than what a pipe takes in one piece: workers that share one would
        # mix their lines.
        if size + len(line) + 1 > PIPE_BUF and pending:
            _write(pending)
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    if pending:
        _write(pending)


def write_audit_line(fields: Mapping[str, object]) -> None:
    """Write one line of the event `audit`, which no level keeps back, as JSON."""
    timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"timestamp": timestamp, "level": "info", "event": "audit", **fields}
    _write([_ENCODER.encode(line)])


def _write(lines: list[str]) -> None:
    lines.append("")
    sys.stderr.write("\n".join(lines))
    sys.stderr.flush()


def _add_request_id(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    return fields if request_id is None else {"request_id": request_id, **fields}


def _rendering(settings: LogSettings) -> list[Processor]:
    if settings.format == "console":
        return [_escape_unprintable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [
        structlog.processors.format_exc_info,
        _lead_with_event,
        _render_json,
    ]


def _escape_unprintable(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Show as escapes what a client sent and a terminal would obey, such as a User-Agent."""
    return {
        name: "".join(map(_shown, value))
        if isinstance(value, str) and name not in _OURS and not value.isprintable()
        else value
        for name, value in fields.items()
    }


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def _lead_with_event(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Put what a reader looks for first at the start of the line."""
    event = fields.pop("event")
    return {
        "timestamp": fields.pop("timestamp"),
        "level": fields.pop("level"),
        "event": event.strip() if isinstance(event, str) else event,
        **fields,
    }


def _render_json(_: WrappedLogger, __: str, fields: EventDict) -> str:
    return _ENCODER.encode(fields)


def _take_over_uvicorn(level: int) -> None:
    """Let uvicorn's messages pass to the root; its access lines are ours to write."""
    for name in _UVICORN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != "uvicorn.access"
        logger.setLevel(level)
    errors = logging.getLogger("uvicorn.error")
    if _explain_cut_requests not in errors.filters:
        errors.addFilter(_explain_cut_requests)


def _explain_cut_requests(record: logging.LogRecord) -> bool:
    """Turn the traceback of a request that was cut at the stop into one sentence."""
    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        record.exc_info = None
        record.msg = "request cut: it did not finish within the shutdown timeout"
        record.args = ()
    return True
