"""Configurations that old dockers have written, and what skopeo 1.9.3 made of them."""

import json

import pytest
from pydantic import ValidationError

from core.errors import ManifestInvalid
from core.manifest import SignedImage
from core.manifest.schema1 import plan_image
from core.manifest.schema1.old_config import print_again

__all__: list[str] = []

EMPTY = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,'
    '"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,'
    '"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)


def printed(**members: object) -> str:
    return print_again(json.dumps(members), "here")


def test_members_of_the_time_are_dropped_and_others_filled_in() -> None:
    text = printed(
        docker_version="1.6.0",
        created="2015-04-01T10:00:00.1200Z",
        Size=12,
        checksum="tarsum.v1+sha256:aa",
        container="cc",
        container_config={
            "Hostname": "h",
            "Cmd": ["/bin/sh", "-c", "#(nop) CMD"],
            "CpuShares": 2,
            "Env": None,
            "ExposedPorts": {"80/tcp": {}, "22/tcp": {}},
        },
        config={
            "User": "root",
            "Memory": 0,
            "Tty": True,
            "Env": ["PATH=/bin <x>"],
            "Cmd": ["sh"],
            "Image": "base",
            "Volumes": {"/data": {}},
            "NetworkDisabled": True,
            "MacAddress": "aa:bb",
            "Labels": {"b": "2", "a": "1"},
            "SecurityOpt": None,
        },
    )
    assert text == (
        '{"created":"2015-04-01T10:00:00.12Z","container":"cc",'
        '"container_config":{"Hostname":"h","Domainname":"","User":"","AttachStdin":false,'
        '"AttachStdout":false,"AttachStderr":false,"ExposedPorts":{"22/tcp":{},"80/tcp":{}},'
        '"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,'
        '"Cmd":["/bin/sh","-c","#(nop) CMD"],"Image":"","Volumes":null,"WorkingDir":"",'
        '"Entrypoint":null,"OnBuild":null,"Labels":null},"docker_version":"1.6.0",'
        '"config":{"Hostname":"","Domainname":"","User":"root","AttachStdin":false,'
        '"AttachStdout":false,"AttachStderr":false,"Tty":true,"OpenStdin":false,"StdinOnce":false,'
        '"Env":["PATH=/bin \\u003cx\\u003e"],"Cmd":["sh"],"Image":"base","Volumes":{"/data":{}},'
        '"WorkingDir":"","Entrypoint":null,"NetworkDisabled":true,"MacAddress":"aa:bb",'
        '"OnBuild":null,"Labels":{"a":"1","b":"2"}}}'
    )


def test_of_what_is_empty_only_what_always_stands_there_is_kept() -> None:
    text = printed(
        docker_version="1.7.1",
        author="",
        config={"ExposedPorts": {}, "Env": [], "Volumes": {}, "Labels": {}, "OnBuild": []},
    )
    expected = (
        EMPTY.replace('"Env":null', '"Env":[]')
        .replace('"Volumes":null', '"Volumes":{}')
        .replace('"OnBuild":null,"Labels":null', '"OnBuild":[],"Labels":{}')
    )
    assert text == (
        f'{{"created":"0001-01-01T00:00:00Z","container_config":{EMPTY},"docker_version":"1.7.1",'
        f'"config":{expected}}}'
    )


def test_members_of_later_dockers_are_known_too() -> None:
    text = printed(
        docker_version="1.7.1",
        config={
            "Cmd": "sh",
            "Entrypoint": "x",
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5},
            "StopTimeout": 0,
            "StopSignal": "",
            "Shell": [],
            "ArgsEscaped": True,
        },
    )
    expected = (
        EMPTY.replace(
            '"Cmd":null,',
            '"Cmd":["sh"],"Healthcheck":{"Test":["CMD","x"],"Interval":5},"ArgsEscaped":true,',
        )
        .replace('"Entrypoint":null', '"Entrypoint":["x"]')
        .replace('"Labels":null', '"Labels":null,"StopTimeout":0')
    )
    assert f'"config":{expected}' in text


@pytest.mark.parametrize(
    "version", ["0.9.1", "1.8", "1.8.2", "1.8.2-cs1", "1.8.3-rc1", "dev", "1.6.0.9", "-1"]
)
def test_a_docker_before_1_8_3_is_too_old(version: str) -> None:
    assert json.loads(printed(docker_version=version, extra=1)).keys() == {
        *("created", "container_config", "docker_version"),
    }


@pytest.mark.parametrize(
    "version", ["1.8.3", "1.8.3.0", "1.10.1-rc1", "1.9", "17.03.2-ce", "", None]
)
def test_of_any_other_the_text_stays_as_it_is(version: str | None) -> None:
    text = f'{{"docker_version": {json.dumps(version)},  "extra":1, "config":{{"Memory":0}}}}'
    assert print_again(text, "here") == text


@pytest.mark.parametrize(
    "config", [{"Env": "x"}, {"Tty": "yes"}, {"Cmd": [1]}, {"Labels": {"a": 1}}, []]
)
def test_what_is_not_what_it_should_be_is_refused_with_its_place(config: object) -> None:
    text = json.dumps({"docker_version": "1.6.0", "config": config})
    with pytest.raises(ValidationError):
        print_again(text, "here")
    image = SignedImage.model_validate(
        {
            "schemaVersion": 1,
            "name": "a",
            "tag": "t",
            "architecture": "amd64",
            "fsLayers": [{"blobSum": f"sha256:{'0' * 64}"}],
            "history": [
                {"v1Compatibility": json.dumps({**json.loads(text), "id": "0" * 64})},
            ],
        }
    )
    with pytest.raises(ManifestInvalid, match="config") as caught:
        plan_image(image)
    assert caught.value.detail["field"] == "history[0].v1Compatibility"


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ManifestInvalid):
        printed(docker_version="1.6.0", created="yesterday")
