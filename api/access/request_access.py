"""`RequestAccess`: what the sender of one request may do, for routes that need to ask."""

from collections.abc import Sequence

from starlette.types import Scope

from api.access.audit import AuditAction
from api.access.gate import Gate
from api.access.needs import find_needs
from api.access.policies import Policies
from api.serving.exchange import find_exchange
from core.access import ANONYMOUS, Access, Principal
from core.errors import UploadUnknown

__all__ = ["RequestAccess"]


class RequestAccess:
    """The sender of a request that has passed the gate. Without a gate everything is allowed."""

    def __init__(self, gate: Gate | None, policies: Policies, scope: Scope) -> None:
        """Ask `gate`, whose rules are in `policies`, for the request of `scope`."""
        self._gate = gate
        self._policies = policies
        self._scope = scope

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return find_exchange(self._scope).principal or ANONYMOUS

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked for, and everybody may do everything."""
        return self._gate is None

    def allows(self, action: str, repository: str) -> bool:
        """Say whether the rules let the sender do one thing, whatever the token is good for."""
        return self._gate is None or self._policies.policy.allows(
            self.principal, action, repository
        )

    async def new_upload_id(self, repository: str) -> str | None:
        """Return an id for an upload that belongs to the sender; None where it is nobody's.

        Raises:
            AccessUnavailable, DriverError: what ids are made with cannot be had.
        """
        if self._gate is None:
            return None
        return await self._gate.owners.make(self.principal, repository)

    async def require_upload(self, upload_id: str, repository: str) -> None:
        """Return if the sender may go on with an upload.

        Raises:
            UploadUnknown: it belongs to someone else, of whom the sender learns nothing.
            AccessUnavailable, DriverError: it cannot be found out now.
        """
        gate = self._gate
        if gate is None or await gate.owners.is_of(upload_id, self.principal, repository):
            return
        reason = "the upload belongs to someone else"
        gate.note_denied(self._scope, self.principal, "push", repository, reason)
        raise UploadUnknown(upload_id=upload_id, name=repository)

    async def ask_again(self, endpoint: object, repository: str) -> None:
        """Return if the sender may still do what `endpoint` does, now that all of a body is here.

        Raises:
            AuthenticationRequired, AccessDenied: not any more.
            AccessUnavailable: it cannot be found out now.
        """
        declared = find_needs(endpoint)
        assert declared is not None
        if self._gate is not None:
            await self._gate.admit_again(self._scope, declared, repository)

    def may_mount(self, source: str, target: str) -> bool:
        """Say whether the sender may take a blob of `source` into `target`.

        Raises:
            AuthenticationRequired: the rules allow it, and the token at hand is not good for it.
        """
        if not self.allows("pull", source):
            return False
        self.require_scope(
            [Access.repository(target, "pull", "push"), Access.repository(source, "pull")]
        )
        return True

    def note(self, action: AuditAction, **fields: object) -> None:
        """Write a line of the audit log about what was done."""
        if self._gate is not None:
            self._gate.audit.note(self._scope, action, self.principal.subject, **fields)

    def require(self, action: str, repository: str) -> None:
        """Return if the rules let the sender do one thing.

        Raises:
            AuthenticationRequired: nobody is logged in.
            AccessDenied: the rules do not allow it.
        """
        if self._gate is not None:
            self._gate.require_rule(self._scope, self.principal, action, repository)

    def require_scope(self, wanted: Sequence[Access]) -> None:
        """Return if the token at hand, if there is one, is good for all that is wanted.

        Raises:
            AuthenticationRequired: it is not; another one may be.
        """
        if self._gate is not None:
            self._gate.require_scope(self._scope, self.principal, wanted)

    @property
    def has_write_once(self) -> bool:
        """Whether there are any tags that may only be created."""
        return bool(self._policies.policy.write_once)

    def is_write_once(self, repository: str, tag: str) -> bool:
        """Say whether a tag may only be created."""
        return self._policies.policy.is_write_once(repository, tag)
