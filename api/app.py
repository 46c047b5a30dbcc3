"""Start here: how the application is put together."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio import create_task_group, to_thread
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import needs_nothing, undeclared
from api.access.gate import Gate
from api.access.opening import Job, open_access
from api.access.policies import Policies
from api.contract import build_contract
from api.dependencies import AccessChecked, RegistryState
from api.errors import ErrorBoundary, install_error_handlers
from api.limits import LimitsMiddleware, create_limiter
from api.logging import configure_logging
from api.routes import protocol_routes, router
from api.serving.access_log import AccessLogMiddleware
from api.serving.forwarded import ForwardedMiddleware
from api.serving.lean import LeanRouter
from api.settings import Settings, SettingsError, load_settings
from api.settings.cache import CacheSettings
from api.settings.durations import parse_duration
from api.settings.groups import UploadsSettings
from api.signing_key import load_signing_key
from api.watch import FileWatch
from core.access.opening import open_access_state
from core.drivers import CheckedDriver, StorageDriver, create_driver
from core.manifest.schema1 import PrivateKey
from core.storage import NO_DESCRIPTORS, DescriptorCache, ManifestCache, Registry
from core.storage.purging import PeriodicPurge
from core.storage.redis_cache import RedisDescriptorCache

__all__ = ["Application", "create_app"]


class Application(FastAPI):
    """FastAPI, with the contract in the place of what it knows by itself.

    Attributes:
        front: takes the requests. What it does not answer itself it gives to `serve_slowly`.
        gate: decides who may pass to a route; None lets everybody pass. There is none before the
            lifespan begins, and nobody passes.
        refusal: the settings with which the lifespan could not begin.
    """

    front: ASGIApp
    gate: Gate | None
    refusal: SettingsError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or live from start to stop."""
        scope["app"] = self
        if scope["type"] == "lifespan":
            send = partial(self._tell, send)
        await self.front(scope, receive, send)

    @contextmanager
    def noting_refusals(self) -> Iterator[None]:
        """Note that the settings keep the lifespan from beginning, which goes on as it would."""
        try:
            yield
        except SettingsError as error:
            self.refusal = error
            raise

    async def _tell(self, send: Send, message: Message) -> None:
        """Say in a line what settings keep the service from starting, and not where that showed."""
        if message["type"] == "lifespan.startup.failed" and self.refusal is not None:
            message["message"] = f"cannot start: {'; '.join(self.refusal.faults)}"
        await send(message)

    async def serve_slowly(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do the same as FastAPI does it."""
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the contract, which is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = build_contract(self.routes)
        return self.openapi_schema


def create_app(
    settings: Settings | None = None, driver: StorageDriver | None = None
) -> Application:
    """Return the registry as an ASGI application. Nothing is opened before its lifespan begins.

    Args:
        settings: how it behaves; None reads the file and the environment.
        driver: where it stores; None opens the one that the settings name. One that is given
            stays open when the application ends.

    Raises:
        SettingsError: the settings are wrong, or the key that they name is none.
        ValueError: no driver has the name that the settings give, or it refuses its own settings.
    """
    if settings is None:
        # A server that was not started by `moorage serve` has not set up the logs either.
        settings = load_settings()
        configure_logging(settings.log)
    schema1_key = load_signing_key(settings.manifests)
    owned = driver is None
    store_root = settings.storage.local_root() if owned else None
    if driver is None:
        driver = create_driver(settings.storage.driver, settings.storage.driver_options())
    elif not isinstance(driver, CheckedDriver):
        driver = CheckedDriver(driver)

    limiter = create_limiter(settings.limits)

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if owned:
                stack.push_async_callback(driver.aclose)
            if limiter is not None:
                stack.push_async_callback(limiter.aclose)
            with app.noting_refusals():
                jobs = await _open(app, settings, driver, store_root, schema1_key, stack)
            lean.forget()
            tasks = await stack.enter_async_context(create_task_group())
            for job in jobs:
                tasks.start_soon(job)
            if limiter is not None:
                tasks.start_soon(limiter.run)
            yield
            tasks.cancel_scope.cancel()

    app = Application(
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    _include_routes(app)
    install_error_handlers(app)
    # FastAPI's outermost layer would answer what goes wrong in it with a page of its own.
    app.add_middleware(ErrorBoundary)
    # Before FastAPI's own middleware, all of which only the requests that it answers pass.
    lean = LeanRouter(app.serve_slowly, protocol_routes)
    inner = lean if limiter is None else LimitsMiddleware(lean, limiter)
    app.front = AccessLogMiddleware(ErrorBoundary(inner), settings.log)
    if ForwardedMiddleware.is_needed(settings.server):
        app.front = ForwardedMiddleware(app.front, settings.server)
    return app


async def _open(
    app: Application,
    settings: Settings,
    driver: StorageDriver,
    store_root: Path | None,
    schema1_key: PrivateKey | None,
    stack: AsyncExitStack,
) -> list[Job]:
    """Open what requests are served with, and return what is to run meanwhile."""
    descriptors = _create_descriptor_cache(settings.cache)
    stack.push_async_callback(descriptors.aclose)
    registry = Registry(
        driver,
        missing_references=settings.manifests.missing_references,
        descriptors=descriptors,
        manifest_cache=ManifestCache(settings.cache.manifest_bytes),
        schema1=settings.manifests.schema1,
        schema1_key=schema1_key,
    )
    watch, policies = FileWatch(), Policies(settings)
    if policies.file is not None:
        watch.add(policies.file, policies.reload)
    opening = open_access_state(
        driver,
        directory=settings.access.state_directory,
        # An open registry keeps no secrets, and nothing is made for them.
        store_root=None if settings.access.is_open else store_root,
    )
    try:
        state = await stack.enter_async_context(opening)
    except ValueError as error:
        raise SettingsError([str(error)]) from error
    access = await open_access(settings, policies, state, watch, stack)
    # Settings may be older than the file: a worker that takes the place of another one is given
    # those that the service was started with.
    await to_thread.run_sync(watch.look)
    app.gate = access.gate
    app.state.moorage = RegistryState(
        registry=registry, settings=settings, policies=policies, tokens=access.tokens
    )
    jobs = [watch.run, *access.jobs]
    if settings.uploads.purge_enabled:
        jobs.append(_periodic_purge(driver, settings.uploads).run)
    return jobs


def _include_routes(app: FastAPI) -> None:
    for route in app.routes:
        # What the framework brings is the contract, which is for everybody.
        assert isinstance(route, Route)
        needs_nothing(route.endpoint)
    app.include_router(router, dependencies=[AccessChecked])
    if paths := undeclared(app.routes):
        raise RuntimeError(f"these do not declare what they need: {', '.join(paths)}")


def _create_descriptor_cache(settings: CacheSettings) -> DescriptorCache:
    if settings.driver == "none":
        return NO_DESCRIPTORS
    return RedisDescriptorCache(
        settings.redis_url,
        ttl_seconds=settings.ttl_seconds,
        timeout_seconds=settings.timeout_seconds,
    )


def _periodic_purge(driver: StorageDriver, settings: UploadsSettings) -> PeriodicPurge:
    return PeriodicPurge(
        driver,
        older_than=parse_duration(settings.purge_older_than),
        interval=parse_duration(settings.purge_interval),
        dry_run=settings.purge_dry_run,
    )
