"""`open_gate`: from the settings to the gate that they ask for."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import entry_points

from api.access.audit import Audit
from api.access.gate import Gate
from api.access.policies import Policies
from api.settings import Settings, SettingsError
from api.watch import FileWatch
from core.access import AccessController
from core.access.htpasswd import PasswordFile
from core.access.password_controller import PasswordController
from core.access.state import AccessState
from core.access.upload_owners import UploadOwners

__all__ = ["ENTRY_POINT_GROUP", "open_gate"]

ENTRY_POINT_GROUP = "moorage.access"
"""Other packages name their `AccessController` classes in this group."""


async def open_gate(
    settings: Settings,
    policies: Policies,
    state: AccessState,
    watch: FileWatch,
    stack: AsyncExitStack,
) -> Gate | None:
    """Return the gate that the settings ask for, or None if they let everybody do everything.

    Args:
        settings: which controller, and how.
        policies: the rules.
        state: the registry's own secrets and records.
        watch: is told of the files that the controller reads.
        stack: closes what was opened.

    Raises:
        SettingsError: the controller is unknown, or cannot use its settings.
        AccessUnavailable, DriverError: the secrets cannot be read or made.
    """
    if settings.access.is_open:
        return None
    opening = _BUILT_IN.get(settings.access.controller, _open_foreign)
    controller = opening(settings, watch)
    stack.push_async_callback(controller.aclose)
    return Gate(
        controller,
        policies,
        Audit(enabled=settings.log.audit),
        UploadOwners(await state.secret()),
        external_url=settings.server.external_url,
    )


def _open_passwords(settings: Settings, watch: FileWatch) -> AccessController:
    passwords = open_password_file(settings, watch)
    return PasswordController(
        passwords,
        realm=settings.access.realm,
        remember_seconds=settings.access.htpasswd.remember_seconds,
    )


def open_password_file(settings: Settings, watch: FileWatch) -> PasswordFile:
    """Return the password file, which is followed from now on.

    Raises:
        SettingsError: there is none, or it cannot be read.
    """
    path = settings.access.htpasswd.file
    if path is None:
        raise SettingsError(["access.htpasswd.file: not set; `moorage users add NAME` makes one"])
    try:
        passwords = PasswordFile(path)
    except OSError as error:
        raise SettingsError(
            [f"access.htpasswd.file: {path} cannot be read: {error.strerror}"]
        ) from None
    watch.add(path, passwords.reload)
    return passwords


def _open_foreign(settings: Settings, watch: FileWatch) -> AccessController:
    name = settings.access.controller
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        known = ", ".join(("none", *_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names))
        raise SettingsError([f"access.controller: expected one of {known}, got {name!r}"])
    factory: Callable[..., AccessController] = next(iter(found)).load()
    try:
        return factory(**settings.access.options_of(name))
    except (TypeError, ValueError) as error:
        raise SettingsError([f"access.{name}: not taken by this controller: {error}"]) from error


_BUILT_IN: dict[str, Callable[[Settings, FileWatch], AccessController]] = {
    "htpasswd": _open_passwords,
}
