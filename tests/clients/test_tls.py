"""skopeo over TLS: with the authority it is given, and with a certificate of its own."""

from pathlib import Path

import pytest

from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import ProgramFailed, Programs
from tests.live import running_registry_over_tls
from tests.service.authority import Authority, Pair, tls_variables

__all__: list[str] = []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json"),
    pytest.mark.timeout(90),
]


def _folder_of(programs: Programs, name: str, authority: Authority, pair: Pair | None) -> Path:
    """Make a folder as skopeo, podman and docker want it for a registry."""
    folder = programs.folder / name
    folder.mkdir()
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    if pair is not None:
        (folder / "client.cert").write_bytes(pair.certificate.read_bytes())
        (folder / "client.key").write_bytes(pair.key.read_bytes())
    return folder


def test_skopeo_pushes_and_pulls_with_its_certificate_and_not_without(
    programs: Programs, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    ann = authority.issue("ann", "ann")
    image = build_image(programs)
    with running_registry_over_tls(
        tmp_path,
        authority.client(ann),
        **authority.issue("service").variables(),
        **tls_variables(
            client_certificates="required", client_authorities=str(authority.certificate)
        ),
    ) as service:
        pushed = f"docker://{service.host}/team/image:v1"
        mine = _folder_of(programs, "mine", authority, ann)
        programs.skopeo("copy", f"--dest-cert-dir={mine}", image.reference, pushed)
        pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
        programs.skopeo("copy", f"--src-cert-dir={mine}", pushed, pulled.reference)
        assert pulled.digest == image.digest
        nobodys = _folder_of(programs, "nobodys", authority, None)
        # The event loop cuts a handshake that failed without telling the client why.
        with pytest.raises(ProgramFailed, match=r"EOF|reset|certificate required"):
            programs.skopeo("copy", f"--src-cert-dir={nobodys}", pushed, pulled.reference)
