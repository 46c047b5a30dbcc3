"""Start here: how the application is put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from anyio import create_task_group
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access_log import AccessLogMiddleware
from api.contract import build_contract
from api.dependencies import RegistryState
from api.durations import parse_duration
from api.errors import ErrorBoundary, install_error_handlers
from api.forwarded import ForwardedMiddleware
from api.lean import LeanRouter
from api.limits import LimitsMiddleware, create_limiter
from api.logging import configure_logging
from api.routes import protocol_routes, router
from api.settings import Settings, load_settings
from api.settings_cache import CacheSettings
from api.settings_groups import UploadsSettings
from core.drivers import CheckedDriver, StorageDriver, create_driver
from core.storage import NO_DESCRIPTORS, DescriptorCache, ManifestCache, Registry
from core.storage.purging import PeriodicPurge
from core.storage.redis_cache import RedisDescriptorCache

__all__ = ["Application", "create_app"]


class Application(FastAPI):
    """FastAPI, with the contract in the place of what it knows by itself.

    Attributes:
        front: takes the requests. What it does not answer itself it gives to `serve_slowly`.
    """

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or live from start to stop."""
        scope["app"] = self
        await self.front(scope, receive, send)

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
        SettingsError: the settings are wrong.
        ValueError: no driver has the name that the settings give, or it refuses its own settings.
    """
    if settings is None:
        # A server that was not started by `moorage serve` has not set up the logs either.
        settings = load_settings()
        configure_logging(settings.log)
    owned = driver is None
    if driver is None:
        driver = create_driver(settings.storage.driver, settings.storage.driver_options())
    elif not isinstance(driver, CheckedDriver):
        driver = CheckedDriver(driver)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if owned:
                stack.push_async_callback(driver.aclose)
            descriptors = _create_descriptor_cache(settings.cache)
            stack.push_async_callback(descriptors.aclose)
            if limiter is not None:
                stack.push_async_callback(limiter.aclose)
            registry = Registry(
                driver,
                missing_references=settings.manifests.missing_references,
                descriptors=descriptors,
                manifest_cache=ManifestCache(settings.cache.manifest_bytes),
            )
            app.state.moorage = RegistryState(registry=registry, settings=settings)
            lean.forget()
            tasks = await stack.enter_async_context(create_task_group())
            if limiter is not None:
                tasks.start_soon(limiter.run)
            if settings.uploads.purge_enabled:
                tasks.start_soon(_periodic_purge(driver, settings.uploads).run)
            yield
            tasks.cancel_scope.cancel()

    app = Application(
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.include_router(router)
    install_error_handlers(app)
    # FastAPI's outermost layer would answer what goes wrong in it with a page of its own.
    app.add_middleware(ErrorBoundary)
    # Before FastAPI's own middleware, all of which only the requests that it answers pass.
    lean = LeanRouter(app.serve_slowly, protocol_routes)
    limiter = create_limiter(settings.limits)
    inner = lean if limiter is None else LimitsMiddleware(lean, limiter)
    app.front = AccessLogMiddleware(ErrorBoundary(inner), settings.log)
    if ForwardedMiddleware.is_needed(settings.server):
        app.front = ForwardedMiddleware(app.front, settings.server)
    return app


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
