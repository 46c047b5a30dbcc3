"""The settings of the service: `loading` reads them, and each group has a file of its own."""

from api.settings.loading import (
    CONFIG_VARIABLE,
    ENV_PREFIX,
    LoadedSettings,
    Settings,
    SettingsError,
    load_settings,
    load_settings_with_origins,
    load_storage_settings,
)

__all__ = [
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "LoadedSettings",
    "Settings",
    "SettingsError",
    "load_settings",
    "load_settings_with_origins",
    "load_storage_settings",
]
