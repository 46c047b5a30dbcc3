"""The processes around the application: one or several workers on one listening socket."""

import asyncio
import functools
import gc
import multiprocessing
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import structlog
from uvicorn import Server
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.importer import import_from_string
from uvicorn.supervisors import Multiprocess

from api.logging import configure_logging
from api.serving.protocol import GuardedConfig
from api.serving.tls import Certificates, TlsError, make_context
from api.serving.tls_loop import HandshakeLoop
from api.settings import Settings, SettingsError
from api.settings.groups import ServerSettings
from api.settings.tls import TlsSettings

__all__ = ["APP_FACTORY", "ServiceConfig", "StartError", "is_loopback", "listen", "run_server"]

APP_FACTORY = "api.app:create_app"

_EXIT_MARGIN_SECONDS = 10
"""What a worker has beyond the shutdown timeout to close its store before it is killed."""

_WORKER_SILENCE_SECONDS = 30
"""After which a worker is killed and replaced. On a machine that is busy, as after it was started,
one may take long to import what it needs, and is no better when it has to begin again."""

_log = structlog.get_logger(__name__)


class StartError(Exception):
    """The service cannot start; the text is one line for the person who started it."""


class ServiceConfig(GuardedConfig):
    """Everything a worker needs, in a form that travels to its process: settings included."""

    def __init__(self, settings: Settings, factory: str) -> None:
        """Set uvicorn's options from `settings`; `factory` names what makes the application."""
        server = settings.server
        super().__init__(
            factory,
            limits=server,
            factory=True,
            host=server.host,
            port=server.port,
            workers=server.workers,
            loop="uvloop",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            log_level=settings.log.level,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=server.keep_alive_timeout_seconds,
            timeout_graceful_shutdown=server.shutdown_timeout_seconds,
            timeout_worker_healthcheck=_WORKER_SILENCE_SECONDS,
            headers=_headers(settings.tls),
            ssl_context_factory=_load_tls if settings.tls.is_on else None,
        )
        self.settings = settings
        self.app_factory = factory

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        """Return what makes the event loop of this process."""
        if not self.settings.tls.is_on:
            return super().get_loop_factory()
        return functools.partial(HandshakeLoop, self.settings.tls.handshake_timeout_seconds)

    def load_app(self) -> Callable[[], Any]:
        """Prepare this process, and give the factory with the settings already in it."""
        configure_logging(self.settings.log)
        # Configuring logging gives uvicorn's loggers back to the root; uvicorn takes its access
        # lines to be off only where that logger has no handler above it.
        self.configure_logging()
        _stop_with_parent()
        return functools.partial(_create_or_exit, self.app_factory, self.settings)


def listen(settings: ServerSettings) -> socket.socket:
    """Bind the address of the service; nothing connects before a worker serves it.

    Raises:
        StartError: the address is taken, unknown or not allowed.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise StartError(f"cannot listen on {where}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # A second service on the same port must fail here, and not while the first is starting.
        listener.listen()
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {where}: {error.strerror}") from error
    listener.set_inheritable(True)
    return listener


def is_loopback(host: str) -> bool:
    """Say whether what listens on `host`, an address or a name, is reached from this host alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        # Listening there fails as well, and says why.
        return True
    return all(ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def run_server(settings: Settings, listener: socket.socket, *, factory: str = APP_FACTORY) -> int:
    """Serve until SIGTERM or SIGINT, then let transfers finish within the shutdown timeout.

    When it returns, no worker is left and the port is free. The result is the exit code of the
    process: 0 after a stop that was asked for.

    Raises:
        StartError: the certificate cannot be used.
        SettingsError: the application, made in this very process, cannot use the settings.
    """
    host, port = listener.getsockname()[:2]
    config = ServiceConfig(settings, factory)
    try:
        _check_tls(settings, host)
        _log.info("listening", host=host, port=port, workers=config.workers)
        if config.workers > 1:
            return _run_workers(config, listener)
        return _run_alone(config, listener)
    finally:
        listener.close()


def _check_tls(settings: Settings, host: str) -> None:
    """See that the certificate can be used before anything starts, or say that there is none."""
    if settings.tls.is_on:
        try:
            make_context(settings.tls)
        except TlsError as error:
            raise StartError(str(error)) from None
    elif not ip_address(host).is_loopback and not settings.server.trusted_proxies:
        _log.warning(
            "plain HTTP on an address that others can reach: what they send, passwords included, "
            "can be read on the way; set tls.certificate and tls.key, or server.trusted_proxies",
            host=host,
        )


def _headers(settings: TlsSettings) -> list[tuple[str, str]]:
    """Return what every answer has, those included that no application gives."""
    if not (settings.is_on and settings.hsts_max_age_seconds):
        return []
    # RFC 6797, section 6.1.
    return [("strict-transport-security", f"max-age={settings.hsts_max_age_seconds}")]


def _load_tls(config: Config, _: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Load the certificate in the process that serves it, and have it looked after there."""
    assert isinstance(config, ServiceConfig)
    try:
        certificates = Certificates(config.settings.tls)
    except TlsError as error:
        configure_logging(config.settings.log)
        _log.error("cannot start", reason=str(error))
        raise SystemExit(STARTUP_FAILURE) from None
    certificates.watch()
    return certificates.context


def _run_alone(config: ServiceConfig, listener: socket.socket) -> int:
    server = Server(config)
    # Uvicorn raises a caught signal again once it has stopped, for whoever handled it before;
    # a stop that went well is not to end as a death by signal.
    previous = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0 if server.started else STARTUP_FAILURE


def _run_workers(config: ServiceConfig, listener: socket.socket) -> int:
    supervisor = _Supervisor(config, sockets=[listener])
    supervisor.run()
    return STARTUP_FAILURE if supervisor.worker_failed_to_start else 0


class _Supervisor(Multiprocess):
    """Uvicorn's supervisor, which says how it ended and waits for no worker for ever."""

    def __init__(self, config: ServiceConfig, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.worker_failed_to_start = False

    def keep_subprocess_alive(self) -> None:
        """Replace a worker that died, or give up where it never started."""
        for worker in self.processes:
            # Where it has the only end of the pipe, its end is no longer waited for as an answer.
            worker.child_conn.close()
        was_told_to_stop = self.should_exit.is_set()
        super().keep_subprocess_alive()
        self.worker_failed_to_start = self.should_exit.is_set() and not was_told_to_stop

    def join_all(self) -> None:
        """Wait for the workers to finish, and kill those that are overdue."""
        timeout = (self.config.timeout_graceful_shutdown or 0) + _EXIT_MARGIN_SECONDS
        deadline = time.monotonic() + timeout
        for worker in self.processes:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                _log.error("worker killed", pid=worker.process.pid, overdue_after_seconds=timeout)
                worker.process.kill()
                worker.process.join()


def _create_or_exit(factory: str, settings: Settings) -> Any:
    """Make the application, or end this process with a line that says why not.

    Settings that the application refuses, which it does with a ValueError, are left to the
    command where this is its process.
    """
    try:
        app = import_from_string(factory)(settings)
    except ValueError as error:
        refusal = error if isinstance(error, SettingsError) else _in_one_line(error)
        if multiprocessing.parent_process() is None:
            raise refusal from error
        for fault in refusal.faults:
            _log.error("cannot start", reason=fault)
    except Exception:  # noqa: BLE001 - whatever it is, it is logged and the process ends
        _log.exception("cannot start")
    else:
        # All of it stays: no collection has to look at it again, while serving or at the end.
        gc.freeze()
        return app
    raise SystemExit(STARTUP_FAILURE)


def _in_one_line(error: ValueError) -> SettingsError:
    return SettingsError([" ".join(str(error).split())])


def _stop_with_parent() -> None:
    """See to it that a worker does not outlive a supervisor that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
