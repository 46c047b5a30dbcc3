"""`AccessController`: what finds out who asks, or says how to prove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from core.access.principal import Principal
from core.access.resources import Access, format_scope

__all__ = ["AccessController", "Asker", "Challenge", "CredentialsInvalid", "bearer_challenge"]


class CredentialsInvalid(Exception):
    """Credentials that prove nothing. The text is for logs, and has no secret in it.

    Attributes:
        user: that they claim to be of, where that can be told.
    """

    def __init__(self, reason: str, *, user: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.user = user


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What a request says of who sends it.

    Attributes:
        authorization: the credentials as they were sent: a scheme, a space, and the rest.
        address: of the client, without port.
        common_name: of a client certificate that has been verified.
        organizations: of that certificate.
    """

    authorization: str | None = field(default=None, repr=False)
    address: str | None = None
    common_name: str | None = None
    organizations: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """How to prove who one is. Spec: RFC 9110, section 11.6.1; RFC 6750, section 3.

    Attributes:
        scheme: of the credentials that are taken.
        realm: a path is one at the address of this registry, which the edge knows; None for its
            token endpoint.
        parameters: the others, in their order.
    """

    scheme: Literal["Basic", "Bearer"]
    realm: str | None
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def bearer_challenge(
    wanted: Sequence[Access], *, realm: str | None, service: str, error: str | None
) -> Challenge:
    """Return the challenge of Docker's token protocol: which token to get, and where.

    Args:
        wanted: what the token has to be good for.
        realm: where it is given, as `Challenge` has it.
        service: of the registry, as those who give tokens know it.
        error: what is wrong with the token at hand, if there is one.
    """
    parameters = {"service": service}
    if wanted:
        parameters["scope"] = format_scope(wanted)
    if error is not None:
        parameters["error"] = error
    return Challenge(scheme="Bearer", realm=realm, parameters=MappingProxyType(parameters))


class AccessController(Protocol):
    """Finds out who asks. One that another package brings names itself as an entry point.

    What rules allow the asker is not its business; with `Principal.grants` it can say itself what
    the asker may do at most.
    """

    @property
    def generation(self) -> int:
        """A number that changes whenever what `identify` has returned may no longer hold.

        What is only due to be proven anew has its `valid_until` for that.
        """

    async def identify(self, asker: Asker) -> Principal:
        """Return who asks; `ANONYMOUS` where there are no credentials at all.

        The result may be remembered until its `valid_until`. Nothing here blocks the event loop.

        Raises:
            CredentialsInvalid: there are credentials, and they prove nothing.
            AccessUnavailable: it cannot be found out now.
        """

    def challenge(self, wanted: Sequence[Access], *, error: str | None = None) -> Challenge:
        """Return how to prove to be someone who may do what is wanted.

        Args:
            wanted: empty where it is only asked who it is.
            error: what was wrong with the credentials at hand, in the words of RFC 6750:
                `invalid_token` or `insufficient_scope`.
        """

    async def aclose(self) -> None:
        """Let go of everything."""
