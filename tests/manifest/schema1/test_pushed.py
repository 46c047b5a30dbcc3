"""What a pushed document is said to be at fault for, by itself."""

import json

import pytest

from core.errors import ManifestInvalid, ManifestUnverified, NameInvalid, TagInvalid
from core.manifest.schema1 import EMPTY_LAYER_DIGEST, SignedManifest, read_signed_manifest
from tests.manifest.schema1.signing import image, sign

__all__: list[str] = []

LAYER = {"blobSum": str(EMPTY_LAYER_DIGEST)}
ITEM = {"v1Compatibility": json.dumps({"id": "a" * 64})}


def read(document: bytes, tag: str | None = "1.0") -> SignedManifest:
    return read_signed_manifest(document, name="team/app", tag=tag)


@pytest.mark.parametrize(("layers", "items"), [(1, 2), (2, 1), (1, 0)])
def test_there_are_as_many_items_of_history_as_layers(layers: int, items: int) -> None:
    document = sign(image(fsLayers=[LAYER] * layers, history=[ITEM] * items))
    [fault] = read(document).faults
    assert (type(fault), fault.detail["field"]) == (ManifestInvalid, "history")


def test_an_image_has_layers() -> None:
    [fault] = read(sign(image(fsLayers=[], history=[]))).faults
    assert (type(fault), fault.detail["field"]) == (ManifestInvalid, "fsLayers")


@pytest.mark.parametrize("other", ["team/App", "team/app/", "team/app2", ""])
def test_the_name_is_that_of_the_repository(other: str) -> None:
    assert [type(one) for one in read(sign(image(name=other))).faults] == [NameInvalid]


def test_the_tag_is_that_of_the_push_if_it_is_by_tag() -> None:
    document = sign(image(tag="1.0.0"))
    assert [type(one) for one in read(document).faults] == [TagInvalid]
    assert not read(document, tag=None).faults


def test_of_a_document_that_was_changed_what_it_shows_is_looked_through() -> None:
    # Everything is moved by one, so that what would be its payload is no JSON any more.
    changed = sign(image(name="another")).replace(b"{", b"{ ", 1)
    faults = read(changed).faults
    assert {type(one) for one in faults} == {ManifestUnverified, NameInvalid}


def test_what_is_not_signed_is_a_fault() -> None:
    good = sign(image())
    [fault] = read(good[:-1] + b',"evil":1}').faults
    assert (type(fault), fault.detail["field"]) == (ManifestUnverified, "evil")
    with pytest.raises(ManifestInvalid):
        read(good[:-1] + b',"tag":"1.0"}')


def test_a_deep_indent_is_refused() -> None:
    assert not read(sign(image(64))).faults
    [fault] = read(sign(image(65))).faults
    assert isinstance(fault, ManifestInvalid)


def test_a_layer_that_is_named_twice_is_looked_for_once() -> None:
    manifest = read(sign(image(fsLayers=[LAYER] * 3, history=[ITEM] * 3)))
    assert list(manifest.blob_sums()) == [("fsLayers[0].blobSum", EMPTY_LAYER_DIGEST)]
