"""What a model says of a document, as errors of the registry."""

from pydantic_core import ErrorDetails

from core.errors import DigestInvalid, ManifestFaults, ManifestInvalid, RegistryError
from core.manifest.strict_json import not_json

__all__ = ["MAX_FAULTS", "raise_faults", "to_fault"]

MAX_FAULTS = 100
"""Of one manifest, this many faults are told."""


def raise_faults(faults: list[RegistryError], total: int | None = None) -> None:
    """Raise the faults of one manifest: one as itself, several together. None is no error.

    Args:
        faults: of these, the first hundred are told.
        total: how many there are in all, if `faults` has only the first of them.

    Raises:
        RegistryError: there are faults.
    """
    total = len(faults) if total is None else total
    faults = faults[:MAX_FAULTS]
    if total == 1:
        raise faults[0]
    if total > len(faults):
        left_out = ManifestInvalid(f"{total - len(faults)} more faults are not listed")
        faults = [*faults, left_out]
    if faults:
        raise ManifestFaults(faults)


def to_fault(error: ErrorDetails) -> RegistryError:
    """Return the error that one fault of a validation is, with its dotted place."""
    if error["type"] == "json_invalid":
        return not_json(str(error["ctx"]["error"]))
    field = ""
    for step in error["loc"]:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else step
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, DigestInvalid):
        return type(cause)(str(error["input"]), cause.message, field=field)
    return ManifestInvalid(error["msg"], field=field or None)
