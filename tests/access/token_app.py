"""A registry that is its own token server, in a process of its own."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyio import create_task_group

from api.app import Application, create_app
from api.settings import Settings
from api.settings.access import AccessSettings
from api.settings.own_tokens import OwnTokenSettings
from core.access.state import AccessState
from core.access.tokens.server import create_token_server
from core.drivers import StorageDriver, create_driver
from tests.access.token_nodes import PASSWORD, Clock, Users, Workloads, allow
from tests.service.running import REPOSITORY, Service, clean_environment, free_port, serving

__all__ = ["create_token_app", "create_token_app_over", "running_token_server"]

_FACTORY = "tests.access.token_app:create_token_app"


def create_token_app(settings: Settings) -> Application:
    """Return the application over the store that the settings name."""
    driver = create_driver(settings.storage.driver, settings.storage.driver_options())
    return create_token_app_over(driver, settings)


def create_token_app_over(
    driver: StorageDriver,
    settings: Settings | None = None,
    **own: Any,  # noqa: ANN401 - as `create_token_server` takes them
) -> Application:
    """Return the application over this store, which it closes."""
    app = create_app(settings or Settings(access=AccessSettings(controller="moorage")), driver)
    tokens = OwnTokenSettings(other_services=("old-registry",))
    given: dict[str, Any] = {
        "issuer": tokens.issuer,
        "services": tokens.services(),
        "access_token_seconds": tokens.access_token_seconds,
        "refresh_token_days": tokens.refresh_token_days,
        "key_rotation_days": tokens.key_rotation_days,
        "allowed": allow,
        "passwords": Users(ann=PASSWORD),
        "workloads": Workloads(Clock()),
        **own,
    }
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        async with inner(app), create_task_group() as tasks:
            server = create_token_server(AccessState(driver), **given)
            app.state.moorage = replace(app.state.moorage, tokens=server.service)
            # The gate goes on to ask for who it is, of this server and no longer of its own.
            assert app.gate is not None
            app.gate.controller = server.controller
            tasks.start_soon(server.use.run)
            yield
            tasks.cancel_scope.cancel()
            await driver.aclose()

    app.router.lifespan_context = lifespan
    return app


@contextmanager
def running_token_server(tmp_path: Path, root: Path, name: str = "tokens") -> Iterator[Service]:
    """Run it on a free port over the store at `root`, until the block ends."""
    port = free_port()
    log_file = tmp_path / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.launch", _FACTORY, str(root)],
            cwd=REPOSITORY,
            env=clean_environment(
                MOORAGE_SERVER__PORT=str(port), MOORAGE_ACCESS__CONTROLLER="moorage"
            ),
            stderr=log,
            stdout=log,
        )
    with serving(Service(port=port, process=process, log_file=log_file), "/v2/") as service:
        yield service
