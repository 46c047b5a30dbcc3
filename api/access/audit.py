"""The audit log: one line for each decision that matters, whatever the level of the log is.

A line says what was done or refused, by whom, to what, and from where, and has the id of its
request. It never has a credential.
"""

from typing import Literal

from starlette.types import Scope

from api.logging import write_audit_line
from api.serving.exchange import find_exchange

__all__ = ["Audit", "AuditAction"]

AuditAction = Literal["login", "token", "push", "delete", "denied"]


class Audit:
    """Writes audit lines, unless it is switched off."""

    def __init__(self, *, enabled: bool) -> None:
        """Write lines if `enabled`."""
        self._enabled = enabled

    def note(self, scope: Scope, action: AuditAction, who: str, **fields: object) -> None:
        """Write one line.

        Args:
            scope: of the request.
            action: what was done; `denied` is what was not.
            who: the subject, such as `user:ann`.
            fields: what it was done to, and how it ended.
        """
        if not self._enabled:
            return
        exchange = find_exchange(scope)
        client = scope.get("client")
        write_audit_line(
            {
                "request_id": exchange.request_id.decode("latin-1"),
                "action": action,
                "who": who,
                "client": client[0] if client else None,
                **{name: value for name, value in fields.items() if value is not None},
            }
        )
