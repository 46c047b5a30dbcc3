"""skopeo, podman and buildah log in, and are let do what the rules say, with every controller."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.guarded import Guarded, running_guarded
from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.clients.traffic import watching
from tests.servers.stalling import running_stalling_proxy

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]

_INSECURE = "--tls-verify=false"
_RULES = """
[[policy.rules]]
subjects = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]

[[policy.rules]]
subjects = ["user:ann"]
repositories = ["**"]
actions = ["*"]

[[policy.rules]]
subjects = ["group:dev"]
repositories = ["team/*", "base/*"]
actions = ["pull"]

[[policy.rules]]
subjects = ["group:dev"]
repositories = ["team/*"]
actions = ["push"]

[[policy.write_once]]
tags = ["v*"]

[policy.groups]
dev = ["bob"]
"""


def _settings(controller: str) -> str:
    return f"""
[access]
controller = "{controller}"
htpasswd.file = "{{folder}}/users"
{_RULES}
"""


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A registry that asks for a password at every request."""
    folder = tmp_path_factory.mktemp("passwords")
    with running_guarded(folder, _settings("htpasswd"), "ann", "bob") as running:
        yield running


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A registry that is its own token server."""
    folder = tmp_path_factory.mktemp("tokens")
    with running_guarded(folder, _settings("moorage"), "ann", "bob") as running:
        yield running


@pytest.fixture(params=["passwords", "tokens"])
def guarded(request: pytest.FixtureRequest) -> Guarded:
    running: Guarded = request.getfixturevalue(request.param)
    return running


def log_in(programs: Programs, program: str, guarded: Guarded, user: str) -> None:
    programs.run(program, "login", _INSECURE, "-u", user, "-p", f"pw-{user}", guarded.host)


def push(
    programs: Programs, image: LayoutImage, target: str, user: str, *, timeout_seconds: int = 60
) -> None:
    credentials = f"--dest-creds={user}:pw-{user}"
    programs.run(
        *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", credentials),
        *(image.reference, f"docker://{target}"),
        timeout_seconds=timeout_seconds,
    )


def test_skopeo_logs_in_pushes_and_pulls(guarded: Guarded, team: str, programs: Programs) -> None:
    image = build_image(programs)
    log_in(programs, "skopeo", guarded, "ann")
    target = f"docker://{guarded.host}/{team}/app:v1"
    programs.copy(image.reference, target)
    assert programs.digest(target) == image.digest
    assert programs.list_tags(f"{guarded.host}/{team}/app") == ["v1"]
    programs.run("skopeo", "logout", guarded.host)
    with pytest.raises(ProgramFailed, match=r"(?i)unauthorized|authentication required"):
        programs.digest(target)


@pytest.mark.needs("podman", "crun")
def test_podman_logs_in_pushes_and_pulls(guarded: Guarded, team: str, programs: Programs) -> None:
    image = build_image(programs)
    name = f"{guarded.host}/{team}/app:v1"
    push(programs, image, name, "ann")
    with pytest.raises(ProgramFailed, match=r"(?i)unauthorized|authentication required"):
        programs.podman("pull", "--quiet", _INSECURE, name)
    log_in(programs, "podman", guarded, "ann")
    programs.podman("pull", "--quiet", _INSECURE, name)
    other = f"{guarded.host}/{team}/other:v1"
    programs.podman("tag", name, other)
    programs.podman("push", "--quiet", _INSECURE, other)
    assert programs.inspect(f"docker://{other}", "--creds=ann:pw-ann")["Layers"]


@pytest.mark.needs("buildah", "crun")
def test_buildah_logs_in_builds_and_pushes(guarded: Guarded, team: str, programs: Programs) -> None:
    (programs.folder / "file").write_text("content\n")
    (programs.folder / "Containerfile").write_text("FROM scratch\nCOPY file /file\n")
    log_in(programs, "buildah", guarded, "ann")
    name = f"{guarded.host}/{team}/built:v1"
    programs.buildah("build", "--isolation", "chroot", "--storage-driver", "vfs", "-t", name, ".")
    programs.buildah("push", "--storage-driver", "vfs", _INSECURE, name)
    assert programs.inspect(f"docker://{name}", "--creds=ann:pw-ann")["Layers"]


@pytest.mark.parametrize("program", ["skopeo", "podman"])
@pytest.mark.needs("podman", "crun")
def test_a_wrong_password_is_told_at_the_login(
    guarded: Guarded, programs: Programs, program: str
) -> None:
    with pytest.raises(ProgramFailed, match=r"(?i)invalid username/password|unauthorized"):
        programs.run(program, "login", _INSECURE, "-u", "ann", "-p", "wrong", guarded.host)
    denied = guarded.audit("denied")[-1]
    assert (denied["who"], denied["claimed"]) == ("anonymous", "ann")


def test_a_denied_push_tells_the_user_who_may_not_do_what(
    guarded: Guarded, programs: Programs
) -> None:
    image = build_image(programs)
    message = "requested access to the resource is denied: user:bob may not push in base/denied"
    with pytest.raises(ProgramFailed, match=message):
        push(programs, image, f"{guarded.host}/base/denied:1", "bob")
    denied = guarded.audit("denied")[-1]
    assert (denied["who"], denied["wanted"], denied["repository"]) == (
        "user:bob",
        "push",
        "base/denied",
    )
    # Who may not even look is told so by the answer to a HEAD, which has no body.
    with pytest.raises(ProgramFailed, match=r"403 \(Forbidden\)"):
        push(programs, image, f"{guarded.host}/secret/denied:1", "bob")


def test_a_write_once_tag_that_is_moved_tells_the_user_where_it_points(
    guarded: Guarded, team: str, programs: Programs
) -> None:
    first, second = build_image(programs), build_image(programs, tag="second")
    name = f"{guarded.host}/{team}/app"
    push(programs, first, f"{name}:v1", "ann")
    push(programs, first, f"{name}:v1", "ann")
    with pytest.raises(ProgramFailed, match=f"tag v1 is write-once and points to {first.digest}"):
        push(programs, second, f"{name}:v1", "ann")
    push(programs, second, f"{name}:latest", "ann")


@pytest.mark.parametrize(("source", "mounts"), [("base/app", True), ("secret/app", False)])
def test_layers_are_mounted_from_where_they_may_be_pulled_and_pushed_otherwise(
    guarded: Guarded, team: str, programs: Programs, source: str, mounts: bool
) -> None:
    image = build_image(programs)
    push(programs, image, f"{guarded.host}/{source}:1", "ann")
    target = f"{guarded.host}/team/{team}:1"
    credentials = ("--src-creds=ann:pw-ann", "--dest-creds=bob:pw-bob")
    with watching(guarded.service) as requests:
        programs.copy(f"docker://{guarded.host}/{source}:1", f"docker://{target}", *credentials)
    assert any(request.is_mount for request in requests) is mounts
    assert programs.inspect(f"docker://{target}", "--creds=bob:pw-bob")["Digest"] == image.digest


def test_the_world_pulls_and_one_user_pushes(tokens: Guarded, programs: Programs) -> None:
    image = build_image(programs)
    name = f"{tokens.host}/public/tools/app:1"
    with pytest.raises(ProgramFailed, match=r"(?i)unauthorized|authentication required|denied"):
        programs.copy(image.reference, f"docker://{name}")
    push(programs, image, name, "ann")
    assert programs.digest(f"docker://{name}") == image.digest
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="1")
    programs.copy(f"docker://{name}", pulled.reference)
    assert pulled.digest == image.digest


def test_a_pull_of_many_layers_shows_one_password(tokens: Guarded, programs: Programs) -> None:
    image = build_image(programs)
    name = f"{tokens.host}/team/layers:1"
    push(programs, image, name, "ann")
    before = len(tokens.audit("token")), len(tokens.audit("login"))
    pulled = LayoutImage(layout=programs.folder / "pulled", tag="1")
    programs.copy(f"docker://{name}", pulled.reference, "--src-creds=ann:pw-ann")
    assert len(tokens.audit("token")) - before[0] == 1
    assert len(tokens.audit("login")) == before[1]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_push_that_outlasts_its_token_gets_another_and_goes_on(
    tmp_path: Path, programs: Programs
) -> None:
    image = build_image(programs)
    settings = _settings("moorage") + "\n[access.tokens]\naccess_token_seconds = 60\n"
    with running_guarded(tmp_path, settings, "ann") as guarded:
        # Clients take a token to be good for a minute at least, whatever they are told.
        proxy = running_stalling_proxy(guarded.service.port, begins=b"PUT /v2/", seconds=62)
        with proxy as host:
            push(programs, image, f"{host}/team/slow:1", "ann", timeout_seconds=150)
        assert len(guarded.audit("token")) == 2
        name = f"docker://{guarded.host}/team/slow:1"
        assert programs.inspect(name, "--creds=ann:pw-ann")["Digest"] == image.digest
