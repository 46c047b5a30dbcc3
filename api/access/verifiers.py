"""Verifiers of the tokens that others sign, made of their settings."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from api.settings.access_tokens import (
    ExternalTokenSettings,
    FederationSettings,
    VerifyingSettings,
)
from core.access.tokens import (
    ExternalTokens,
    Federation,
    IssuerClient,
    JoinedKeys,
    KeyFile,
    KeySource,
    RemoteKeys,
    RootCertificates,
    TokenServer,
    TokenVerifier,
    TrustedIssuer,
)
from core.access.tokens.issuer_client import Document

__all__ = ["make_external_tokens", "make_federation"]


def make_external_tokens(settings: ExternalTokenSettings) -> ExternalTokens:
    """Return the controller that believes the tokens of another server. It has read nothing yet.

    Raises:
        ValueError: a setting that it needs is missing, or the authorities cannot be read.
    """
    realm, issuer, service = settings.realm, settings.issuer, settings.service
    if realm is None or issuer is None or service is None:
        raise ValueError("realm, issuer and service have to be set")
    if settings.jwks is None and settings.root_certificates is None:
        raise ValueError("jwks or root_certificates has to be set")
    maker = _KeyMaker(settings)
    sources: list[KeySource] = []
    roots = None
    if settings.root_certificates is not None:
        roots = RootCertificates(settings.root_certificates)
        sources.append(roots)
    if settings.jwks is not None:
        sources.append(maker.at(settings.jwks))
    keys = JoinedKeys(sources)
    verifier = TokenVerifier(
        issuer=issuer,
        audiences=settings.audiences or (service,),
        keys=keys,
        roots=roots,
        algorithms=settings.algorithms,
        leeway_seconds=settings.leeway_seconds,
    )
    server = TokenServer(
        realm=realm, service=service, groups_claim=settings.groups_claim, claims=settings.claims
    )
    return ExternalTokens(server, verifier, keys, close=maker.close)


def make_federation(settings: FederationSettings) -> Federation | None:
    """Return what knows the workloads of other issuers, or None where none is trusted.

    Raises:
        ValueError: the authorities cannot be read.
    """
    if not settings.issuers:
        return None
    maker = _KeyMaker(settings)
    issuers = [
        TrustedIssuer(
            url=issuer.url,
            audiences=issuer.audiences,
            keys=maker.of(issuer.url) if issuer.jwks is None else maker.at(issuer.jwks),
            algorithms=issuer.algorithms,
        )
        for issuer in settings.issuers
    ]
    return Federation(
        issuers,
        [rule.rule() for rule in settings.rules],
        leeway_seconds=settings.leeway_seconds,
        close=maker.close,
    )


class _KeyMaker:
    """Makes sources of keys, those that are fetched with one client, which is made if needed."""

    def __init__(self, settings: VerifyingSettings) -> None:
        self._settings = settings
        self._client: IssuerClient | None = None

    def at(self, place: str) -> KeySource:
        """Return the keys in a file, or at an address."""
        if "://" not in place:
            return KeyFile(Path(place))
        return self._remote(partial(self._shared_client().fetch, place), place)

    def of(self, issuer: str) -> KeySource:
        """Return the keys that an issuer names in its configuration."""
        return self._remote(partial(self._shared_client().fetch_keys_of, issuer), issuer)

    async def close(self) -> None:
        """Close the client, if there is one."""
        if self._client is not None:
            await self._client.aclose()

    def _remote(self, fetch: Callable[[], Awaitable[Document]], name: str) -> RemoteKeys:
        return RemoteKeys(
            fetch,
            name=name,
            refresh_seconds=self._settings.refresh_seconds,
            retry_seconds=self._settings.retry_seconds,
        )

    def _shared_client(self) -> IssuerClient:
        if self._client is None:
            file = self._settings.ca_certificates
            try:
                self._client = IssuerClient(ca_file=None if file is None else str(file))
            except OSError as error:
                raise ValueError(f"{file}: {error.strerror or error}") from None
        return self._client
