"""A registry does what a few dictionaries do, whatever the order of requests."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable

import anyio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.digest import Digest
from core.drivers import StorageDriver, create_driver
from core.errors import BlobUnknown, ManifestBlobUnknown, ManifestFaults, ManifestUnknown
from core.manifest import Manifest
from core.storage import Registry, Repository, RepositoryName, Tag
from tests.storage.pushing import CONFIG, assert_whole, image, push_blob, read_layer

__all__ = ["TestFilesystem", "TestMemory"]

NAMES = st.sampled_from([RepositoryName(text) for text in ("a", "a/b", "c")])
TAGS = st.sampled_from([Tag(text) for text in ("v1", "v2", "latest")])
BLOBS = st.sampled_from([CONFIG, b"", b"layer", bytes(1024)])
SUBJECT = image()
MANIFESTS = st.sampled_from([SUBJECT, image(b"layer"), image(b"", subject=SUBJECT)])
SETTINGS = settings(max_examples=25, stateful_step_count=25, deadline=None)


class RegistryMachine(RuleBasedStateMachine):
    """Requests one after another, each to a registry of its own over one store."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = self.open_driver()
        self.blobs: set[tuple[RepositoryName, Digest]] = set()
        self.manifests: dict[tuple[RepositoryName, Digest], Manifest] = {}
        self.tags: dict[tuple[RepositoryName, Tag], Digest] = {}
        self.pushed: set[RepositoryName] = set()

    def open_driver(self) -> StorageDriver:
        return create_driver("memory", {})

    def ask(self, name: RepositoryName, act: Callable[[Repository], Awaitable[object]]) -> object:
        """Return what a request gives, or the class of what it raises."""

        async def request() -> object:
            try:
                return await act(Registry(self.driver).repository(name))
            except (BlobUnknown, ManifestUnknown) as error:
                return type(error)
            except (ManifestBlobUnknown, ManifestFaults) as error:
                faults = error.faults if isinstance(error, ManifestFaults) else [error]
                return {fault.detail["digest"] for fault in faults}

        return anyio.run(request)

    @rule(name=NAMES, content=BLOBS)
    def push_blob(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        assert self.ask(name, lambda repository: push_blob(repository, content)) == digest
        self.blobs.add((name, digest))

    @rule(name=NAMES, source=NAMES, content=BLOBS)
    def mount(self, name: RepositoryName, source: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        mounted = self.ask(name, lambda repository: repository.layers.mount(digest, source))
        assert (mounted is not None) == ((source, digest) in self.blobs)
        if mounted is not None:
            self.blobs.add((name, digest))

    @rule(name=NAMES, content=BLOBS)
    def delete_blob(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        found = self.ask(name, lambda repository: repository.layers.delete(digest))
        assert found is (None if (name, digest) in self.blobs else BlobUnknown)
        self.blobs.discard((name, digest))

    @rule(name=NAMES, content=BLOBS)
    def fetch(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        found = self.ask(name, lambda repository: read_layer(repository, digest))
        assert found == (content if (name, digest) in self.blobs else BlobUnknown)

    @rule(name=NAMES, manifest=MANIFESTS, tags=st.lists(TAGS, max_size=2))
    def push_manifest(self, name: RepositoryName, manifest: Manifest, tags: list[Tag]) -> None:
        needed = {(name, one.descriptor.digest) for one in manifest.references()}
        missing = {str(digest) for _, digest in needed - self.blobs}
        found = self.ask(name, lambda repository: repository.manifests.put(manifest, tags))
        assert found == (missing or None)
        if not missing:
            self.pushed.add(name)
            self.manifests[name, manifest.digest] = manifest
            self.tags.update({(name, tag): manifest.digest for tag in tags})

    @rule(name=NAMES, manifest=MANIFESTS, tags=st.lists(TAGS, max_size=3))
    def push_image(self, name: RepositoryName, manifest: Manifest, tags: list[Tag]) -> None:
        for content in (CONFIG, b"layer", b""):
            self.push_blob(name, content)
        self.push_manifest(name, manifest, tags)

    @rule(name=NAMES, manifest=MANIFESTS)
    def delete_manifest(self, name: RepositoryName, manifest: Manifest) -> None:
        found = self.ask(name, lambda repository: repository.manifests.delete(manifest.digest))
        assert found is (None if (name, manifest.digest) in self.manifests else ManifestUnknown)
        self.manifests.pop((name, manifest.digest), None)
        self.tags = {
            key: digest
            for key, digest in self.tags.items()
            if (key[0], digest) != (name, manifest.digest)
        }

    @rule(name=NAMES, tag=TAGS)
    def untag(self, name: RepositoryName, tag: Tag) -> None:
        found = self.ask(name, lambda repository: repository.tags.remove(tag))
        assert found is (None if (name, tag) in self.tags else ManifestUnknown)
        self.tags.pop((name, tag), None)

    @rule(name=NAMES, tag=TAGS)
    def get_by_tag(self, name: RepositoryName, tag: Tag) -> None:
        async def payload(repository: Repository) -> bytes:
            return (await repository.manifests.get(tag)).payload

        digest = self.tags.get((name, tag))
        expected = ManifestUnknown if digest is None else self.manifests[name, digest].payload
        assert self.ask(name, payload) == expected

    @rule(name=NAMES, start_after=st.one_of(st.just(""), TAGS.map(str)))
    def list_tags(self, name: RepositoryName, start_after: str) -> None:
        async def listed(repository: Repository) -> list[str]:
            return [str(tag) async for tag in repository.tags.list(start_after)]

        held = (str(tag) for owner, tag in self.tags if owner == name)
        assert self.ask(name, listed) == sorted(tag for tag in held if tag > start_after)

    @rule(name=NAMES)
    def list_referrers(self, name: RepositoryName) -> None:
        async def listed(repository: Repository) -> list[Digest]:
            return [one.digest for one in await repository.referrers.list(SUBJECT.digest)]

        expected = [
            digest
            for (owner, digest), manifest in self.manifests.items()
            if owner == name and manifest.subject is not None
        ]
        assert self.ask(name, listed) == sorted(expected, key=str)

    @invariant()
    def store_is_whole_and_lists_what_was_pushed(self) -> None:
        async def check() -> set[RepositoryName]:
            # A blob's data outlives its links, and so a manifest's references may be unlinked.
            await assert_whole(self.driver)
            names = {name async for name in Registry(self.driver).list_repositories()}
            for name in names:
                listed = [tag async for tag in Registry(self.driver).repository(name).tags.list()]
                held = [tag for owner, tag in self.tags if owner == name]
                assert listed == sorted(held, key=str)
            return names

        listed = anyio.run(check)
        assert {name for name, _ in self.manifests} <= listed <= self.pushed


class FilesystemMachine(RegistryMachine):
    """The same over a directory."""

    def open_driver(self) -> StorageDriver:
        self.root = tempfile.mkdtemp(prefix="moorage-model-")
        return create_driver("filesystem", {"root": self.root, "durability": "relaxed"})

    def teardown(self) -> None:
        shutil.rmtree(self.root)


TestMemory = RegistryMachine.TestCase
TestMemory.settings = SETTINGS
TestFilesystem = FilesystemMachine.TestCase
TestFilesystem.settings = settings(SETTINGS, max_examples=8)
