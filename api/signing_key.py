"""The key that the settings name for images of schema 1, read when the registry starts."""

from api.settings import SettingsError
from api.settings.groups import ManifestsSettings
from core.manifest.schema1 import PrivateKey

__all__ = ["load_signing_key"]


def load_signing_key(settings: ManifestsSettings) -> PrivateKey | None:
    """Return the key of `schema1_key_file`, or None if there is no such file named.

    Raises:
        SettingsError: the file cannot be read, or holds no private key of EC or RSA.
    """
    file = settings.schema1_key_file
    if file is None:
        return None
    where = f"manifests.schema1_key_file: {file}"
    try:
        return PrivateKey.load(file.read_bytes())
    except OSError as error:
        raise SettingsError([f"{where}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise SettingsError([f"{where}: not a private key: {error}"]) from None
