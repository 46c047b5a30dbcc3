"""From schema 2 to schema 1 and back: texts and ids, to the byte."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.digest import Digest
from core.errors import ManifestInvalid
from core.manifest import DOCKER_MANIFEST, OCI_MANIFEST, SignedImage, parse_manifest
from core.manifest.schema1 import (
    EMPTY_LAYER_DIGEST,
    UnpackedLayer,
    make_payload,
    plan_image,
)
from core.manifest.schema1.from_image import MAX_STEPS
from core.manifest.schema1.go_json import compact_json, encode_json, split_members
from core.manifest.schema1.go_time import format_time
from core.manifest.schema1.to_image import ImageFormat, ImagePlan

__all__: list[str] = []

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "convert"
LAYERS = [Digest.of(content) for content in (b"1", b"2")]
CONFIG = (
    '{ "zzz" : [ 1.50, "<b>" ],"os":"linux","architecture":"amd64",'
    '"config":{"Cmd":["/bin/sh"]},'
    '"rootfs":{"type":"layers","diff_ids":["sha256:a","sha256:b"]},'
    '"history":[{"created":"2016-03-01T09:00:00.120Z","created_by":"ADD & <a>"},'
    '{"created_by":"ENV x=y","empty_layer":true,"comment":"grüße"},'
    '{"created":"2016-03-01T09:00:00+02:00","author":"me"}]}'
).encode()


def read_vectors() -> list[Any]:
    if not VECTORS.is_dir():
        return []
    vectors: list[Any] = json.loads((VECTORS / "convert.json").read_text())
    return vectors


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")
@pytest.mark.parametrize("vector", read_vectors(), ids=lambda vector: vector["case"])
def test_an_image_of_the_vectors_becomes_what_the_incumbent_makes_of_it(
    vector: dict[str, Any],
) -> None:
    config = (VECTORS / vector["config"]).read_bytes()
    manifest = json.loads((VECTORS / vector["manifest"]).read_text())
    layers = [Digest.parse(layer["digest"]) for layer in manifest["layers"]]
    if vector["status"] == 400:
        with pytest.raises(ManifestInvalid):
            make_payload(config, layers, name=vector["name"], tag=vector["tag"])
        return
    payload = make_payload(config, layers, name=vector["name"], tag=vector["tag"])
    assert payload == (VECTORS / vector["payload"]).read_bytes()
    assert str(Digest.of(payload)) == vector["digest"]


def test_an_image_becomes_one_of_schema_1() -> None:
    payload = make_payload(CONFIG, LAYERS, name="a/b", tag="t")
    document = json.loads(payload)
    assert list(document) == [
        *("schemaVersion", "name", "tag", "architecture", "fsLayers", "history"),
    ]
    assert [layer["blobSum"] for layer in document["fsLayers"]] == [
        str(LAYERS[1]),
        str(EMPTY_LAYER_DIGEST),
        str(LAYERS[0]),
    ]
    texts = [item["v1Compatibility"] for item in document["history"]]
    newest, second, oldest = (json.loads(text) for text in texts)
    assert oldest["id"] == hashlib.sha256(f"{LAYERS[0].encoded} ".encode()).hexdigest()
    assert newest["parent"] == second["id"]
    assert second["parent"] == oldest["id"]
    assert texts[2] == (
        f'{{"id":"{oldest["id"]}","created":"2016-03-01T09:00:00.12Z",'
        '"container_config":{"Cmd":["ADD \\u0026 \\u003ca\\u003e"]}}'
    )
    assert texts[1] == (
        f'{{"id":"{second["id"]}","parent":"{oldest["id"]}","comment":"grüße",'
        '"created":"0001-01-01T00:00:00Z","container_config":{"Cmd":["ENV x=y"]},"throwaway":true}'
    )
    assert texts[0] == (
        '{"architecture":"amd64","config":{"Cmd":["/bin/sh"]},'
        f'"id":"{newest["id"]}","os":"linux","parent":"{second["id"]}",'
        '"zzz":[1.50,"\\u003cb\\u003e"]}'
    )
    # What follows was computed once by code that agrees with all of the vectors.
    assert str(Digest.of(payload)) == (
        "sha256:a69d6f2c2ac5b1f9a716e957c41eba6ab299ce19c1469f204602c66fb82b6eeb"
    )


def test_the_base_of_an_image_of_windows_is_the_parent_of_its_first_layer() -> None:
    config = CONFIG.replace(b'"type":"layers"', b'"base_layer":"windows"')
    texts = [
        json.loads(item["v1Compatibility"])
        for item in json.loads(make_payload(config, LAYERS, name="a", tag="t"))["history"]
    ]
    assert texts[2]["parent"] == "0c45efb1dd087de54634f2a55718cf7978cba107211e0e0a736567965fa9c5be"
    assert texts[1]["parent"] == texts[2]["id"]


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"history":[{}],"rootfs":{"diff_ids":["a"]}',
        CONFIG.replace(b'"sha256:b"', b'"sha256:b","sha256:c"'),
        CONFIG.replace(b',"empty_layer":true', b""),
        CONFIG.replace(b"2016-03-01T09:00:00.120Z", b"yesterday"),
        CONFIG.replace(b'"created_by":"ENV x=y"', b'"created_by":1'),
        b'{"history":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"history":[' + b"{}," * 200_000 + b"{}]}",
    ],
    ids=[
        *("nothing", "list", "empty", "binary", "cut", "more ids", "more steps", "no time"),
        *("no text", "deep", "many"),
    ],
)
def test_what_does_not_fit_together_is_refused(config: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        make_payload(config, LAYERS, name="a", tag="t")


def unpacked(contents: Sequence[bytes]) -> list[UnpackedLayer]:
    return [
        UnpackedLayer(
            digest=Digest.of(content),
            size=len(content),
            diff_id=Digest.of(content * 2),
            packed=content != b"2",
        )
        for content in contents
    ]


def plan(payload: bytes) -> ImagePlan:
    return plan_image(SignedImage.model_validate_json(payload))


def test_an_image_there_and_back_has_its_layers_history_and_configuration() -> None:
    found = plan(make_payload(CONFIG, LAYERS, name="a/b", tag="t"))
    assert found.layers == tuple(LAYERS)
    layers = unpacked([b"1", b"2"])
    config = found.config(layers)
    assert config == (
        b'{"architecture":"amd64","config":{"Cmd":["/bin/sh"]},'
        b'"history":[{"created":"2016-03-01T09:00:00.12Z",'
        b'"created_by":"ADD \\u0026 \\u003ca\\u003e"},'
        b'{"created":"0001-01-01T00:00:00Z","created_by":"ENV x=y","comment":"gr\xc3\xbc\xc3\x9fe",'
        b'"empty_layer":true},{"created":"0001-01-01T00:00:00Z"}],"os":"linux","rootfs":{"type":'
        b'"layers","diff_ids":["'
        + str(layers[0].diff_id).encode()
        + b'","'
        + str(layers[1].diff_id).encode()
        + b'"]},"zzz":[1.50,"\\u003cb\\u003e"]}'
    )
    formats: list[tuple[ImageFormat, str, list[str]]] = [
        (
            "schema2",
            DOCKER_MANIFEST,
            [
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.docker.image.rootfs.diff.tar",
            ],
        ),
        (
            "oci",
            OCI_MANIFEST,
            [
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar",
            ],
        ),
    ]
    for image_format, media_type, types in formats:
        payload = found.manifest(config, layers, image_format)
        parsed = parse_manifest(payload, media_type, Digest.of(payload))
        references = [reference.descriptor for reference in parsed.references()]
        assert [one.digest for one in references] == [Digest.of(config), *LAYERS]
        assert [one.size for one in references] == [len(config), 1, 1]
        assert [one.media_type for one in references[1:]] == types


def chain(*steps: dict[str, object]) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 1,
            "name": "a",
            "tag": "t",
            "architecture": "arm",
            "fsLayers": [{"blobSum": str(Digest.of(bytes([i])))} for i in range(len(steps))],
            "history": [{"v1Compatibility": json.dumps(step)} for step in steps],
        }
    ).encode()


A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def test_what_is_there_twice_in_a_row_counts_once() -> None:
    found = plan(chain({"id": B, "parent": A, "x": 1}, {"id": B, "parent": A, "x": 2}, {"id": A}))
    assert found.layers == (Digest.of(b"\2"), Digest.of(b"\1"))
    config = json.loads(found.config([]))
    assert (config["x"], config["architecture"], config["os"]) == (2, "arm", "linux")
    assert len(config["history"]) == 2


def test_a_step_of_history_says_who_made_it_when_and_how() -> None:
    steps: list[dict[str, object]] = [
        {"id": C, "parent": B, "author": "me", "container_config": {"Cmd": "one two"}},
        {"id": B, "parent": A, "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) ADD"]}},
        {"id": A, "created": "2016-03-01T09:00:00.50Z", "comment": "c", "throwaway": True},
    ]
    config = json.loads(plan(chain(*steps)).config([]))
    assert config["history"] == [
        {"created": "2016-03-01T09:00:00.5Z", "comment": "c", "empty_layer": True},
        {"created": "0001-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD"},
        {"created": "0001-01-01T00:00:00Z", "author": "me", "created_by": "one two"},
    ]
    assert config["author"] == "me"


def test_what_named_an_image_of_schema_1_is_no_part_of_its_configuration() -> None:
    named: dict[str, object] = {
        "parent": "",
        "parent_id": "x",
        "layer_id": "x",
        "throwaway": False,
        "Size": 5,
    }
    config = json.loads(plan(chain({"id": A, **named})).config([]))
    assert config.keys() == {"architecture", "os", "rootfs", "history"}
    # Of no layer there is no list either, as in what docker writes.
    assert config["rootfs"] == {"type": "layers"}


@pytest.mark.parametrize(("layers", "items"), [(1, 2), (2, 1), (0, 0)])
def test_without_an_item_of_history_for_each_layer_nothing_is_made(layers: int, items: int) -> None:
    steps: list[dict[str, object]] = [{"id": A}] * items
    document = json.loads(chain(*steps))
    document["fsLayers"] = [{"blobSum": str(Digest.of(b"x"))}] * layers
    with pytest.raises(ManifestInvalid):
        plan(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([{"id": "x"}], 0),
        ([{}], 0),
        ([{"id": A, "parent": B}], 0),
        ([{"id": B, "parent": C}, {"id": A}], 0),
        ([{"id": A, "parent": B}, {"id": B, "parent": A}, {"id": A}], 2),
        ([{"id": A, "created": "now"}], 0),
        ([{"id": A, "container_config": {"Cmd": [1]}}], 0),
    ],
)
def test_a_history_that_is_no_chain_is_refused(steps: list[dict[str, object]], place: int) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        plan(chain(*steps))
    assert str(caught.value.detail["field"]).startswith(f"history[{place}].v1Compatibility")


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "[" * 100 + "]" * 100, "[" + "[]," * 100_000 + "1]"]
)
def test_a_text_that_is_no_sound_json_is_refused(value: str) -> None:
    text = f'{{"id":"{A}","x":{value}}}'
    document = json.loads(chain({"id": A}))
    document["history"] = [{"v1Compatibility": text}]
    with pytest.raises(ManifestInvalid) as caught:
        plan(json.dumps(document).encode())
    assert caught.value.detail["field"] == "history[0].v1Compatibility"


def test_an_image_of_absurdly_many_steps_is_refused_before_anything_is_made_of_it() -> None:
    def config(steps: int) -> bytes:
        return json.dumps({"rootfs": {}, "history": [{"empty_layer": True}] * steps}).encode()

    payload = make_payload(config(MAX_STEPS), [], name="a", tag="t")
    assert len(json.loads(payload)["history"]) == MAX_STEPS
    begin = time.process_time()
    with pytest.raises(ManifestInvalid, match=f"more than {MAX_STEPS} steps"):
        make_payload(config(39_000), [], name="a", tag="t")
    assert time.process_time() - begin < 1


def test_json_is_written_as_go_writes_it() -> None:
    assert encode_json({"b": ["<&>\u2028\u2029\b\f\n\t\\b\x7fü"], "a": None}) == (
        '{"b":["\\u003c\\u0026\\u003e\\u2028\\u2029\\u0008\\u000c\\n\\t\\\\b\x7fü"],"a":null}'
    )
    assert compact_json(' { "a b" : [ 1.0 , "\\" <" ] }\n') == '{"a b":[1.0,"\\" \\u003c"]}'
    text = ' {"a" : 1e2 , "b":{"c" : [ ] },"\\u0063":"x"} '
    assert list(split_members(text)) == [("a", "1e2"), ("b", '{"c" : [ ] }'), ("c", '"x"')]
    assert list(split_members(" { } ")) == []


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (None, "0001-01-01T00:00:00Z"),
        ("2016-03-01T09:00:00Z", "2016-03-01T09:00:00Z"),
        ("2016-03-01T09:00:00.000Z", "2016-03-01T09:00:00Z"),
        ("2016-03-01T09:00:00.1234567890Z", "2016-03-01T09:00:00.123456789Z"),
        ("2016-03-01T09:00:00.5+00:00", "2016-03-01T09:00:00.5Z"),
        ("2016-03-01T09:00:00-00:00", "2016-03-01T09:00:00Z"),
        ("2016-03-01T09:00:00-07:30", "2016-03-01T09:00:00-07:30"),
    ],
)
def test_a_time_is_printed_as_go_prints_it(given: str | None, printed: str) -> None:
    assert format_time(given, "created") == printed
