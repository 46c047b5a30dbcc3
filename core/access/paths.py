"""Every path of the registry's own secrets and records. Nothing else builds one.

    <root>
    ├── claim             held by whoever changes something here now
    ├── secret            what is under a MAC of the registry is under a key made from this
    ├── authority         the key and certificate that vouch for the signing keys
    ├── keys/<kid>        a signing key and its certificate
    ├── robots/<name>     a robot: what it may do, and the hash of its secret
    └── used/<name>       when that robot last came

The root is `core.storage.paths.ACCESS` in a store, which `docker/distribution` never looks at,
and the top of a directory that holds nothing else.
"""

from dataclasses import dataclass

from core.storage import paths

__all__ = ["AccessPaths"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPaths:
    """The paths below one root, which has no slash at its end; it is empty for the top."""

    root: str = paths.ACCESS

    @property
    def claim(self) -> str:
        """The path that is claimed for the time of a change."""
        return f"{self.root}/claim"

    @property
    def secret(self) -> str:
        """The shared secret."""
        return f"{self.root}/secret"

    @property
    def authority(self) -> str:
        """The key and certificate of the authority."""
        return f"{self.root}/authority"

    @property
    def keys(self) -> str:
        """The directory of the signing keys."""
        return f"{self.root}/keys"

    def key(self, kid: str) -> str:
        """Return one signing key."""
        return f"{self.root}/keys/{kid}"

    @property
    def robots(self) -> str:
        """The directory of the robots."""
        return f"{self.root}/robots"

    def robot(self, name: str) -> str:
        """Return the record of one robot."""
        return f"{self.root}/robots/{name}"

    @property
    def uses(self) -> str:
        """The directory of what is known of the robots' last coming."""
        return f"{self.root}/used"

    def used(self, name: str) -> str:
        """Return when a robot last came."""
        return f"{self.root}/used/{name}"
