"""`OwnKeys`: the signing keys, as those who verify tokens look for them."""

from collections.abc import Sequence

from core.access.tokens.keys import VerificationKey
from core.access.tokens.signing import ALGORITHM, SigningKeys
from core.errors import AccessUnavailable, DriverError

__all__ = ["OwnKeys"]


class OwnKeys:
    """A `KeySource` of keys that are made here."""

    def __init__(self, keys: SigningKeys) -> None:
        self.generation = 0
        self._keys = keys

    async def load(self) -> None:
        """Do nothing: keys are read when they are needed."""

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return the key of this name, if it is one of ours and has not ended.

        Raises:
            AccessUnavailable: it is not known here, and the store cannot be asked.
        """
        try:
            known = await self._keys.find(kid)
        except DriverError as error:
            raise AccessUnavailable(f"signing keys: {error}") from error
        if known is None:
            return ()
        return (VerificationKey(public=known.key, algorithm=ALGORITHM),)

    async def aclose(self) -> None:
        """Do nothing: the keys belong to whoever has opened the state."""
