"""What a client takes, where there is something to choose: images from and to schema 1."""

from collections.abc import Iterator
from typing import Literal

from core.errors import ManifestInvalid, ManifestUnknown
from core.manifest import DOCKER_MANIFEST, MANIFEST_MEDIA_TYPES, OCI_MANIFEST
from core.manifest.schema1 import SCHEMA1_MEDIA_TYPES, ImageFormat
from core.storage import Conversions, StoredManifest, Tag

__all__ = ["choose_format", "find_accepted"]

_WILDCARDS = frozenset({"*/*", "application/*"})
_FORMATS: dict[str, ImageFormat] = {DOCKER_MANIFEST: "schema2", OCI_MANIFEST: "oci"}


async def find_accepted(
    conversions: Conversions, manifest: StoredManifest, tag: Tag, accept: str | None
) -> StoredManifest:
    """Return a manifest that a tag points to in the format that the client understands.

    Raises:
        ManifestUnknown: it is a list without an image for a client of schema 1.
        ManifestInvalid: the client understands only a format to which it cannot be converted.
    """
    match choose_format(accept, manifest.media_type):
        case None:
            return manifest
        case "schema1":
            try:
                return await conversions.to_schema1(manifest, tag)
            except (ManifestInvalid, ManifestUnknown):
                if accept is not None:
                    raise
                # Whoever does not say what it takes need not be a client of that time.
                return manifest
        case image_format:
            return await conversions.to_image(manifest, image_format)


def choose_format(accept: str | None, media_type: str) -> ImageFormat | Literal["schema1"] | None:
    """Return the format that a stored manifest has to be converted to, or None if to none.

    An image of schema 1 is converted for a client that names schema 2 or OCI and not schema 1, also
    if it takes anything besides. Another one is converted for a client that names schema 1 and
    takes nothing newer, and for one that does not say: docker before 1.10, which knew nothing else,
    sent no Accept. One that takes anything gets what there is.

    Spec: RFC 9110, section 12.5.1, "Accept".
    """
    if accept is None:
        return "schema1" if media_type in MANIFEST_MEDIA_TYPES else None
    accepted = dict(_parse_accept(accept))
    names_schema1 = not SCHEMA1_MEDIA_TYPES.isdisjoint(accepted)
    if media_type in SCHEMA1_MEDIA_TYPES:
        named = [name for name in accepted if name in _FORMATS]
        if names_schema1 or not named:
            return None
        # Of those that are liked best, the first.
        return _FORMATS[max(named, key=lambda name: accepted[name])]
    if not names_schema1 or media_type not in MANIFEST_MEDIA_TYPES:
        return None
    newer = _WILDCARDS.union(MANIFEST_MEDIA_TYPES)
    return "schema1" if newer.isdisjoint(accepted) else None


def _parse_accept(accept: str) -> Iterator[tuple[str, float]]:
    """Yield the types that a client takes, with how much it likes them."""
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 1.0
        if name and weight > 0:
            yield name, weight
