"""Every path of the store. Nothing else builds one.

    /docker/registry/v2
    ├── _moorage
    │   ├── access                                        keys and robots, as core/access has them
    │   ├── purge
    │   │   ├── claim                                     held by whoever purges uploads now
    │   │   └── last-run                                  when the last periodic purge ended
    │   ├── schema1
    │   │   ├── claim                                     held by whoever makes the key
    │   │   └── key.pem                                   signs images that have no signature
    │   └── write-once/<hash>                             held by whoever creates such a tag now
    ├── blobs/<algorithm>/<first two>/<encoded>/data      every blob and manifest, by digest
    └── repositories/<name>
        ├── _layers/<algorithm>/<encoded>/link            blobs that this repository has
        ├── _manifests
        │   ├── revisions/<algorithm>/<encoded>
        │   │   ├── link                                  a manifest that it has
        │   │   └── signatures/<algorithm>/<encoded>/link signatures of an image of schema 1
        │   └── tags/<tag>
        │       ├── current/link                          what the tag points to now
        │       └── index/<algorithm>/<encoded>/link      everything it ever pointed to
        ├── _uploads/<upload id>
        │   ├── data                                      the bytes received so far
        │   ├── startedat                                 RFC 3339, whole seconds, UTC
        │   └── hashstates/<algorithm>/<offset>           the running hash of so many bytes
        ├── _converted/<algorithm>/<encoded>/<format>/link
        │                                                 what an image of schema 1 became
        └── _referrers/<segment id>                       which manifest has which subject

`<algorithm>` is `sha256` and the like, or `tarsum/<version>/<hash>`: links to layers that are named
by tarsum, and the blobs of stores from before SHA-256 named them.

The layout is that of `docker/distribution`, so that both can work on one store. Only `_moorage`,
`_converted` and `_referrers` are ours: the incumbent looks into `blobs` and `repositories` alone,
and skips directories of a repository whose names begin with an underscore that it does not know. A
link is a file whose whole content is a digest.
"""

import re

from core.digest import Algorithm, Digest
from core.storage.names import RepositoryName, Tag

__all__ = [
    "ACCESS",
    "BLOBS",
    "PURGE_CLAIM",
    "PURGE_LAST_RUN",
    "REPOSITORIES",
    "ROOT",
    "SCHEMA1_CLAIM",
    "SCHEMA1_KEY",
    "UPLOADS",
    "blob_data",
    "converted_link",
    "data_of_upload",
    "find_repository",
    "find_upload",
    "layer_link",
    "layers",
    "manifests",
    "referrers",
    "referrers_segment",
    "revision_link",
    "revisions",
    "signature_link",
    "signatures",
    "started_at_of_upload",
    "tag_current_link",
    "tag_directory",
    "tag_index_link",
    "tags",
    "upload",
    "upload_data",
    "upload_hash_state",
    "upload_started_at",
    "uploads",
]

ROOT = "/docker/registry/v2"
BLOBS = f"{ROOT}/blobs"
REPOSITORIES = f"{ROOT}/repositories"
ACCESS = f"{ROOT}/_moorage/access"
PURGE_CLAIM = f"{ROOT}/_moorage/purge/claim"
PURGE_LAST_RUN = f"{ROOT}/_moorage/purge/last-run"
SCHEMA1_CLAIM = f"{ROOT}/_moorage/schema1/claim"
SCHEMA1_KEY = f"{ROOT}/_moorage/schema1/key.pem"
UPLOADS = "_uploads"

_NAME = r"[^/_][^/]*(?:/[^/_][^/]*)*"
_IN_REPOSITORY = re.compile(rf"{REPOSITORIES}/({_NAME})/_")
_IN_UPLOAD = re.compile(rf"({REPOSITORIES}/{_NAME}/{UPLOADS}/[^/]+)/")


def _components(digest: Digest) -> str:
    return f"{digest.algorithm.directory}/{digest.encoded}"


def blob_data(digest: Digest) -> str:
    """Return where the content of `digest` is, whichever repositories link it."""
    return f"{BLOBS}/{digest.algorithm.directory}/{digest.encoded[:2]}/{digest.encoded}/data"


def layers(name: RepositoryName) -> str:
    """Return the directory whose existence means that the repository has had blobs."""
    return f"{REPOSITORIES}/{name.value}/_layers"


def layer_link(name: RepositoryName, digest: Digest) -> str:
    """Return the link through which a repository has a blob."""
    # As in the next two, without a call for the components: every pull asks for it.
    return f"{REPOSITORIES}/{name.value}/_layers/{digest.algorithm.directory}/{digest.encoded}/link"


def manifests(name: RepositoryName) -> str:
    """Return the directory whose existence puts the repository into the catalog."""
    return f"{REPOSITORIES}/{name.value}/_manifests"


def revisions(name: RepositoryName) -> str:
    """Return the directory of algorithms, each with a directory for each manifest."""
    return f"{REPOSITORIES}/{name.value}/_manifests/revisions"


def revision_link(name: RepositoryName, digest: Digest) -> str:
    """Return the link through which a repository has a manifest."""
    revisions = f"{REPOSITORIES}/{name.value}/_manifests/revisions"
    return f"{revisions}/{digest.algorithm.directory}/{digest.encoded}/link"


def signatures(name: RepositoryName, manifest: Digest) -> str:
    """Return the directory of algorithms, each with a directory for each signature."""
    return f"{revisions(name)}/{_components(manifest)}/signatures"


def signature_link(name: RepositoryName, manifest: Digest, signature: Digest) -> str:
    """Return the link through which a repository has a signature of a manifest."""
    return f"{signatures(name, manifest)}/{_components(signature)}/link"


def converted_link(name: RepositoryName, manifest: Digest, image_format: str) -> str:
    """Return the link to what an image of schema 1 was converted to, in one format."""
    directory = f"{REPOSITORIES}/{name.value}/_converted/{_components(manifest)}"
    return f"{directory}/{image_format}/link"


def tags(name: RepositoryName) -> str:
    """Return the directory with a directory for each tag."""
    return f"{REPOSITORIES}/{name.value}/_manifests/tags"


def tag_directory(name: RepositoryName, tag: Tag) -> str:
    """Return the directory that goes when the tag is removed."""
    return f"{REPOSITORIES}/{name.value}/_manifests/tags/{tag.value}"


def tag_current_link(name: RepositoryName, tag: Tag) -> str:
    """Return the link to what the tag points to now."""
    return f"{REPOSITORIES}/{name.value}/_manifests/tags/{tag.value}/current/link"


def tag_index_link(name: RepositoryName, tag: Tag, digest: Digest) -> str:
    """Return the link that remembers that the tag has pointed to `digest`."""
    return f"{tag_directory(name, tag)}/index/{_components(digest)}/link"


def tag_claim(name: RepositoryName, tag: Tag) -> str:
    """Return what one who creates a tag that may never move holds meanwhile."""
    return _write_once_claim(f"{name}:{tag}")


def tagged_claim(name: RepositoryName, digest: Digest) -> str:
    """Return what is held by one who gives such a tag to a manifest, or deletes the manifest."""
    return _write_once_claim(f"{name}@{digest}")


def _write_once_claim(what: str) -> str:
    return f"{ROOT}/_moorage/write-once/{Digest.of(what.encode()).encoded}"


def uploads(repository: str) -> str:
    """Return the directory of the uploads of a repository, whatever its name on the disk is."""
    return f"{REPOSITORIES}/{repository}/{UPLOADS}"


def upload(name: RepositoryName, upload_id: str) -> str:
    """Return the directory that goes when the upload is finished or cancelled."""
    return f"{uploads(name.value)}/{upload_id}"


def upload_data(name: RepositoryName, upload_id: str) -> str:
    """Return where the bytes received so far are."""
    return data_of_upload(upload(name, upload_id))


def upload_started_at(name: RepositoryName, upload_id: str) -> str:
    """Return the file that says when the upload was started."""
    return started_at_of_upload(upload(name, upload_id))


def data_of_upload(directory: str) -> str:
    """Return where the bytes of the upload with this directory are."""
    return f"{directory}/data"


def started_at_of_upload(directory: str) -> str:
    """Return the file that says when the upload with this directory was started."""
    return f"{directory}/startedat"


def find_repository(path: str) -> str | None:
    """Return the name of the repository that `path` lies in, as it is on the disk, or None."""
    found = _IN_REPOSITORY.match(path)
    return None if found is None else found.group(1)


def find_upload(path: str) -> str | None:
    """Return the directory of the upload that `path` lies in, or None."""
    found = _IN_UPLOAD.match(path)
    return None if found is None else found.group(1)


def upload_hash_state(
    name: RepositoryName, upload_id: str, algorithm: Algorithm, offset: int
) -> str:
    """Return where the state of the hash of the first `offset` bytes is kept."""
    return f"{upload(name, upload_id)}/hashstates/{algorithm.directory}/{offset}"


def referrers(name: RepositoryName) -> str:
    """Return the directory of the referrers index."""
    return f"{REPOSITORIES}/{name.value}/_referrers"


def referrers_segment(name: RepositoryName, segment_id: str) -> str:
    """Return one file of the referrers index."""
    return f"{REPOSITORIES}/{name.value}/_referrers/{segment_id}"
