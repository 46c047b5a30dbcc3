"""`open_access`: from the settings to the gate that they ask for, and what belongs to it."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from api.access.audit import Audit
from api.access.gate import Gate
from api.access.policies import Policies
from api.access.verifiers import make_external_tokens, make_federation
from api.limits import create_login_throttle
from api.settings import Settings, SettingsError
from api.watch import FileWatch
from core.access import AccessController
from core.access.passwords.attempts import LoginAttempts
from core.access.passwords.controller import PasswordController
from core.access.passwords.file import PasswordFile
from core.access.passwords.users import PasswordUsers
from core.access.state import AccessState
from core.access.tokens.logins import WORKLOAD_USER
from core.access.tokens.server import create_token_server
from core.access.tokens.service import TokenService
from core.access.upload_owners import UploadOwners

__all__ = ["ENTRY_POINT_GROUP", "Job", "OpenAccess", "open_access"]

ENTRY_POINT_GROUP = "moorage.access"
"""Other packages name their `AccessController` classes in this group."""

Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccess:
    """What is open while the service runs.

    Attributes:
        gate: asks who sends each request; None lets everybody do everything.
        tokens: gives tokens; None where others do, or nobody.
        jobs: run until the service stops.
    """

    gate: Gate | None
    tokens: TokenService | None = None
    jobs: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What controllers are made of."""

    settings: Settings
    policies: Policies
    state: AccessState
    watch: FileWatch
    stack: AsyncExitStack
    attempts: LoginAttempts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    controller: AccessController
    tokens: TokenService | None = None
    jobs: tuple[Job, ...] = ()


async def open_access(
    settings: Settings,
    policies: Policies,
    state: AccessState,
    watch: FileWatch,
    stack: AsyncExitStack,
) -> OpenAccess:
    """Return the gate that the settings ask for, with what belongs to it.

    Args:
        settings: which controller, and how.
        policies: the rules.
        state: the registry's own secrets and records.
        watch: is told of the files that the controller reads.
        stack: closes what was opened.

    Raises:
        SettingsError: the controller is unknown, or cannot use its settings.
    """
    if settings.access.is_open:
        return OpenAccess(gate=None)
    name = settings.access.controller
    throttle = create_login_throttle(settings.limits)
    stack.push_async_callback(throttle.aclose)
    parts = _Parts(
        settings=settings,
        policies=policies,
        state=state,
        watch=watch,
        stack=stack,
        attempts=LoginAttempts(throttle),
    )
    try:
        made = await _BUILT_IN.get(name, _make_foreign)(parts)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([f"access.{name}: {error}"]) from error
    stack.push_async_callback(made.controller.aclose)
    gate = Gate(
        made.controller,
        policies,
        Audit(enabled=settings.log.audit),
        UploadOwners(state.secret),
        parts.attempts,
        # Only the registry's own token server has a user that is none.
        unguessed=() if made.tokens is None else (WORKLOAD_USER,),
        token_realm=settings.access.tokens.realm,
        external_url=settings.server.external_url,
    )
    return OpenAccess(gate=gate, tokens=made.tokens, jobs=made.jobs)


async def _make_passwords(parts: _Parts) -> _Made:
    users = _find_users(parts)
    if users is None:
        reason = "not set; name the file that `moorage users add` writes"
        raise SettingsError([f"access.htpasswd.file: {reason}"])
    return _Made(controller=PasswordController(users, realm=parts.settings.access.realm))


async def _make_external_tokens(parts: _Parts) -> _Made:
    controller = make_external_tokens(parts.settings.access.token)
    await controller.load()
    return _Made(controller=controller)


async def _make_own_tokens(parts: _Parts) -> _Made:
    settings = parts.settings.access
    users = _find_users(parts)
    workloads = make_federation(settings.federation)
    if workloads is not None:
        parts.stack.push_async_callback(workloads.aclose)
        await workloads.load()
    server = create_token_server(
        parts.state,
        issuer=settings.tokens.issuer,
        services=settings.tokens.services(),
        access_token_seconds=settings.tokens.access_token_seconds,
        refresh_token_days=settings.tokens.refresh_token_days,
        key_rotation_days=settings.tokens.key_rotation_days,
        allowed=parts.policies.limit,
        passwords=users,
        workloads=workloads,
        attempts=parts.attempts,
        generation=lambda: 0 if users is None else users.generation,
    )
    parts.stack.push_async_callback(server.use.write)
    return _Made(controller=server.controller, tokens=server.service, jobs=(server.use.run,))


async def _make_foreign(parts: _Parts) -> _Made:
    name = parts.settings.access.controller
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        known = ", ".join(("none", *_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names))
        raise SettingsError([f"access.controller: expected one of {known}, got {name!r}"])
    factory: Callable[..., AccessController] = next(iter(found)).load()
    try:
        return _Made(controller=factory(**parts.settings.access.options_of(name)))
    except TypeError as error:
        raise ValueError(f"not taken by this controller: {error}") from error


def _find_users(parts: _Parts) -> PasswordUsers | None:
    """Return the users of the password file, which is followed from now on; None without one."""
    settings = parts.settings.access.htpasswd
    if settings.file is None:
        return None
    try:
        passwords = PasswordFile(settings.file)
    except OSError as error:
        reason = f"{settings.file} cannot be read: {error.strerror}"
        raise SettingsError([f"access.htpasswd.file: {reason}"]) from None
    parts.watch.add(settings.file, passwords.reload)
    return PasswordUsers(passwords, remember_seconds=settings.remember_seconds)


_BUILT_IN: dict[str, Callable[[_Parts], Awaitable[_Made]]] = {
    "htpasswd": _make_passwords,
    "moorage": _make_own_tokens,
    "token": _make_external_tokens,
}
