"""Where the manifests of a repository are, and which tags it has."""

from core.digest import Digest
from core.storage import Repository, Tag
from tests.storage.pushing import ROOT

__all__ = ["REPOSITORY", "V1", "data_path", "list_tags", "revision_path"]


V1 = Tag("v1")
REPOSITORY = f"{ROOT}/repositories/r/r"


async def list_tags(repository: Repository, start_after: str = "") -> list[str]:
    return [str(tag) async for tag in repository.list_tags(start_after)]


def data_path(digest: Digest) -> str:
    return f"{ROOT}/blobs/{digest.algorithm.name}/{digest.encoded[:2]}/{digest.encoded}/data"


def revision_path(digest: Digest) -> str:
    return f"{REPOSITORY}/_manifests/revisions/{digest.algorithm.name}/{digest.encoded}/link"
