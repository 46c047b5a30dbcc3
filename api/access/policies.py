"""`Policies`: the rules in force, which follow the settings file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from api.settings import Settings, SettingsError, load_settings_with_origins
from api.settings.lines import find_line
from api.settings.policy import PolicySettings
from core.access import ACTIONS, Access, Principal
from core.access.resources import CATALOG
from core.access.rules.policy import Policy

__all__ = ["Policies", "load_policy"]

_log = structlog.get_logger()


class Policies:
    """The rules in force.

    Attributes:
        policy: what they are now.
        generation: changes whenever they do.
        file: that they are read from; None where they came from elsewhere, and never change.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with the rules of the settings that the service was started with."""
        self.file = settings.file
        self.generation = 0
        self._settings = settings.policy
        self.policy = _build(settings.policy, settings.file)

    def limit(self, principal: Principal, access: Access) -> Access | None:
        """Return those of the actions that the rules allow; None if there are none."""
        if access.type == "repository":
            actions = tuple(
                action
                for action in access.actions
                if action in ACTIONS and self.policy.allows(principal, action, access.name)
            )
            return replace(access, actions=actions) if actions else None
        is_listed = principal.kind != "anonymous" or self.policy.lets_anonymous_pull()
        return access if access == CATALOG and is_listed else None

    def reload(self) -> None:
        """Read the file anew. A file with a fault is logged, and leaves the rules as they were."""
        assert self.file is not None
        try:
            loaded = load_settings_with_origins(self.file).settings.policy
            if _is_emptied(self._settings, loaded):
                raise SettingsError([f"{self.file}: all rules are gone, which takes a restart"])
            policy = _build(loaded, self.file)
        except SettingsError as error:
            for fault in error.faults:
                _log.error("rules not changed: the settings file has a fault", reason=fault)
            return
        # The lines on which they stand are part of the rules that people are told of.
        self.policy = policy
        if loaded != self._settings:
            self._settings = loaded
            self.generation += 1
            _log.info("rules changed", file=str(self.file), rules=len(loaded.rules))


def load_policy(settings: Settings) -> Policy:
    """Return the rules of settings that were read a moment ago, with the lines they stand on."""
    return _build(settings.policy, settings.file)


def _build(settings: PolicySettings, file: Path | None) -> Policy:
    return settings.policy(_places_in(file))


def _is_emptied(before: PolicySettings, after: PolicySettings) -> bool:
    """Say whether a file looks like what a full disk leaves of it.

    Without rules those who are logged in may do everything.
    """
    is_lost = bool(before.rules) and not after.rules
    return is_lost or (before != after and after == PolicySettings())


def _places_in(file: Path | None) -> Callable[[int], str]:
    try:
        text = "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""

    def place(number: int) -> str:
        line = find_line(text, ("policy", "rules", number))
        return f"policy.rules.{number}" if line is None else f"{file}:{line}"

    return place
