"""skopeo where it asks for more than it may."""

from pathlib import Path

import pytest

from tests.clients.images import LayoutImage, build_image
from tests.clients.programs import Programs
from tests.live import running_registry

__all__: list[str] = []


@pytest.mark.clients
@pytest.mark.slow
@pytest.mark.needs("skopeo", "umoci", "/etc/containers/policy.json")
@pytest.mark.timeout(120)
def test_skopeo_waits_as_long_as_it_is_told_and_has_the_whole_image(
    programs: Programs, tmp_path: Path
) -> None:
    image = build_image(programs)
    root = tmp_path / "data"
    with running_registry(tmp_path, root=root) as service:
        programs.copy(image.reference, f"docker://{service.host}/team/image:v1")
    with running_registry(
        tmp_path,
        root=root,
        name="limited",
        MOORAGE_LIMITS__REQUESTS="2",
        MOORAGE_LIMITS__REQUESTS_PERIOD_SECONDS="2",
    ) as service:
        pushed = f"docker://{service.host}/team/image:v1"
        pulled = LayoutImage(layout=programs.folder / "pulled", tag="v1")
        programs.copy(pushed, pulled.reference)
        assert pulled.digest == image.digest
        statuses = [line.get("status") for line in service.log_lines()]
    assert 429 in statuses
