"""`Gate`: the one place where it is decided whether a request may do what it asks for."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from weakref import ref

import structlog
from starlette.types import Scope

from api.access.askers import asker_of, count_credentials, find_proof
from api.access.audit import Audit
from api.access.challenges import format_challenge
from api.access.needs import Needs
from api.access.policies import Policies
from api.access.remembered import Remembered
from api.serving.exchange import Exchange, find_exchange
from core.access import ANONYMOUS, Access, AccessController, Asker, CredentialsInvalid, Principal
from core.access.passwords.attempts import LoginAttempts
from core.access.passwords.basic import parse_basic, split_credentials
from core.access.upload_owners import UploadOwners
from core.errors import AccessDenied, AuthenticationRequired, NameInvalid
from core.storage import RepositoryName

__all__ = ["Gate"]

_MAX_ADMITTED = 4096
_SOON_SECONDS = 1.0
"""So late changes count anyway."""

_REFUSED = "the credentials are wrong, or have ended"

_SCOPES: Mapping[str, tuple[str, ...]] = {
    "delete": ("delete",),
    "list": ("pull",),
    "pull": ("pull",),
    "push": ("pull", "push"),
    "tag": ("pull", "push"),
}
"""What a token is asked for that is to do an action of the rules."""

_log = structlog.get_logger()


class Gate:
    """Asks the controller who sends a request, and the rules whether they may.

    What was found out is remembered for as long as the controller says and the rules stay as they
    are, so that most requests pass `admits` without waiting for anything.
    """

    def __init__(
        self,
        controller: AccessController,
        policies: Policies,
        audit: Audit,
        owners: UploadOwners,
        attempts: LoginAttempts,
        *,
        unguessed: Collection[str] = (),
        token_realm: str | None = None,
        external_url: str | None = None,
    ) -> None:
        """Stand before the routes. The controller is closed by whoever opened it.

        Args:
            controller: finds out who asks.
            policies: say what they may do.
            audit: is told of what matters.
            owners: know whose an upload is.
            attempts: slow down those who guess passwords.
            unguessed: users whose passwords nobody guesses, being what somebody has signed.
            token_realm: where the registry's own tokens are given; None is the usual place.
            external_url: of the registry; None is as the client knows it.
        """
        self.controller = controller
        self.policies = policies
        self.audit = audit
        self.owners = owners
        self._attempts = attempts
        self._unguessed = frozenset(unguessed)
        self._token_realm = token_realm
        self._external_url = external_url
        self._remembered = Remembered()
        # By references that keep nobody in memory who is not remembered any more.
        self._admitted: dict[tuple[ref[Principal], Needs, str], None] = {}
        self._generations = (controller.generation, policies.generation)

    def find_subject(self, scope: Scope) -> str | None:
        """Return who sends a request if that is remembered, and is somebody in particular."""
        principal = self._find_known(scope, find_exchange(scope))
        return None if principal is None or principal.kind == "anonymous" else principal.subject

    def admits(self, scope: Scope, needs: Needs, repository: str) -> bool:
        """Say whether it is known that this request may pass; if not, `admit` finds out."""
        exchange = find_exchange(scope)
        generations = (self.controller.generation, self.policies.generation)
        if generations != self._generations:
            self._generations = generations
            self._remembered.clear()
            self._admitted.clear()
        principal = self._find_known(scope, exchange)
        if principal is None:
            return False
        exchange.principal = principal
        return (ref(principal), needs, repository) in self._admitted

    async def admit(self, scope: Scope, needs: Needs, repository: str) -> None:
        """Let a request pass of which `admits` did not know that it may, and note who sends it.

        Raises:
            AuthenticationRequired: it does not tell who sends it, or not enough.
            AccessDenied: who sends it may not do this.
            AccessUnavailable: that cannot be found out now.
            TooManyRequests: there were too many wrong passwords.
        """
        if needs.kind == "nothing":
            return
        exchange = find_exchange(scope)
        # A path that names no repository wants nothing that a token could be good for.
        is_nameless = needs.kind == "repository" and not _is_name(repository)
        wanted = () if is_nameless else needs.wanted(repository)
        principal = exchange.principal
        if principal is None:
            principal = exchange.principal = await self._identify(scope, exchange, wanted)
        if needs.kind == "login":
            if principal is ANONYMOUS:
                raise self.unproven(scope, wanted, "log in, or ask for a token")
            return
        if needs.kind == "catalog":
            self._require_catalog(scope, principal, wanted)
        else:
            for action in needs.rules:
                self.require_rule(scope, principal, action, repository, wanted)
        least = () if is_nameless else needs.least(repository)
        self.require_scope(scope, principal, wanted, least)
        if is_nameless:
            # It leads nowhere, and may be as long as a request.
            return
        self._admitted[ref(principal), needs, repository] = None
        if len(self._admitted) > _MAX_ADMITTED:
            del self._admitted[next(iter(self._admitted))]

    async def admit_again(self, scope: Scope, needs: Needs, repository: str) -> None:
        """Let a request go on that has been let pass before, if it would be still.

        For one that took long since then: who sends it may have lost what it takes, and could
        hold on to that by sending the last byte later.

        Raises:
            AuthenticationRequired, AccessDenied, AccessUnavailable, TooManyRequests: as `admit`.
        """
        exchange = find_exchange(scope)
        if time.perf_counter() - exchange.started < _SOON_SECONDS:
            return
        exchange.principal = None
        if not self.admits(scope, needs, repository):
            await self.admit(scope, needs, repository)

    def require_rule(
        self,
        scope: Scope,
        principal: Principal,
        action: str,
        repository: str,
        wanted: Sequence[Access] = (),
    ) -> None:
        """Return if the rules let the asker do one thing.

        Args:
            scope: of the request.
            principal: who asks.
            action: of the rules.
            repository: that it is done to.
            wanted: what a token is to be good for, all that the request does included; without
                it, what it takes to do `action`.

        Raises:
            AuthenticationRequired: they do not let anybody who is not known.
            AccessDenied: they do not let this one.
        """
        decision = self.policies.policy.decide(principal, action, repository)
        if decision.allowed:
            return
        if principal.kind == "anonymous":
            if not wanted and _is_name(repository):
                wanted = (Access.repository(repository, *_SCOPES[action]),)
            raise self.unproven(scope, wanted, f"log in to {action} {repository}")
        self.note_denied(scope, principal, action, repository, decision.reason)
        reason = f"{principal.subject} may not {action} in {repository}"
        raise AccessDenied(reason, repository=repository)

    def require_scope(
        self,
        scope: Scope,
        principal: Principal,
        wanted: Sequence[Access],
        least: Sequence[Access] | None = None,
    ) -> None:
        """Return if the token at hand, if there is one, is good for all that it has to be.

        Args:
            scope: of the request.
            principal: whose token it is.
            wanted: what another one is to be asked for.
            least: what it has to be good for; all that is wanted if it is not told.

        Raises:
            AuthenticationRequired: it is not; another one may be.
        """
        given = principal.scope
        if least is None:
            least = wanted
        if given is None or all(any(one.allows(access) for one in given) for access in least):
            return
        raise self.unproven(
            scope,
            wanted,
            "the token is not good for this",
            error="insufficient_scope",
            who=principal.subject,
        )

    def note_denied(
        self, scope: Scope, principal: Principal, action: str, repository: str, reason: str
    ) -> None:
        """Note that the rules let the asker not do one thing."""
        self.audit.note(
            scope,
            "denied",
            principal.subject,
            wanted=action,
            repository=repository,
            reason=reason,
        )

    def unproven(
        self,
        scope: Scope,
        wanted: Sequence[Access],
        reason: str,
        *,
        error: str | None = None,
        who: str = ANONYMOUS.subject,
        claimed: str | None = None,
    ) -> AuthenticationRequired:
        """Return the error that tells how to prove to be someone who may do what is wanted.

        Why credentials are no good is for the audit log alone: it may tell of rules and users.
        """
        scopes = [str(access) for access in wanted]
        if error is not None:
            self.audit.note(
                scope, "denied", who, claimed=claimed, wanted=scopes or None, reason=reason
            )
        challenge = self.controller.challenge(wanted, error=error)
        if challenge.realm is None and self._token_realm is not None:
            challenge = replace(challenge, realm=self._token_realm)
        return AuthenticationRequired(
            _REFUSED if error == "invalid_token" else reason,
            wanted=scopes,
            error=error,
            challenge=format_challenge(challenge, scope, self._external_url),
        )

    def _find_known(self, scope: Scope, exchange: Exchange) -> Principal | None:
        proof = find_proof(scope, exchange)
        if proof is None:
            return ANONYMOUS
        # Fields that come twice are joined in no dictionary, and two credentials are none.
        if len(exchange.fields) != len(scope["headers"]) and count_credentials(scope) > 1:
            return None
        return self._remembered.find(proof)

    async def _identify(
        self, scope: Scope, exchange: Exchange, wanted: Sequence[Access]
    ) -> Principal:
        generation = self.controller.generation
        try:
            principal = await self._try(asker_of(scope))
        except CredentialsInvalid as error:
            raise self.unproven(
                scope, wanted, error.reason, error="invalid_token", claimed=error.user
            ) from None
        proof = find_proof(scope, exchange)
        if proof is not None:
            if self.controller.generation == generation:
                # What has changed meanwhile may be just what was proven here.
                self._remembered.keep(proof, principal)
            if principal.scope is None and principal is not ANONYMOUS:
                # Who shows a token has logged in where it was given.
                self.audit.note(scope, "login", principal.subject)
        return principal

    async def _try(self, asker: Asker) -> Principal:
        """Ask the controller, unless it is a password too many."""
        scheme, encoded = split_credentials(asker.authorization or "")
        if scheme != "basic":
            # A token that is not good any more is no guess: clients find out by trying.
            return await self.controller.identify(asker)
        user, _ = parse_basic(encoded)
        if user in self._unguessed:
            return await self.controller.identify(asker)
        identify = partial(self.controller.identify, asker)
        return await self._attempts.make(asker.address, user, identify)

    def _require_catalog(
        self, scope: Scope, principal: Principal, wanted: Sequence[Access]
    ) -> None:
        if principal.kind == "anonymous" and not self.policies.policy.lets_anonymous_pull():
            raise self.unproven(scope, wanted, "log in to list repositories")


def _is_name(text: str) -> bool:
    try:
        RepositoryName.parse(text)
    except NameInvalid:
        return False
    return True
