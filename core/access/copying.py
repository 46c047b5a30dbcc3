"""`copy_state`: the registry's own secrets, keys and robots, for a registry that moves."""

from collections.abc import Mapping, Sequence

from core.access.state import AccessState

__all__ = ["copy_state"]


async def copy_state(
    source: AccessState, destination: AccessState, *, dry_run: bool = False
) -> int:
    """Make the secrets, keys and robots at the destination those of the source.

    What only the destination has is removed, so that no robot stays that was revoked at the source
    since the last copy. A copy that is cut off is finished by the next one. Processes that serve
    the destination take up the secret and the keys as they start.

    Args:
        source: may be in use, and is only read.
        destination: is to be used by nobody yet.
        dry_run: write nothing, and only count.

    Returns:
        How many files were others, or were there in one of the two places only.

    Raises:
        DriverError: a store did not answer, or others did not let go of the destination.
    """
    wanted = await _read(source)
    if dry_run:
        return len(_differing(wanted, await _read(destination)))
    root = destination.paths.root
    async with destination.changing():
        names = _differing(wanted, await _read(destination))
        for name in names:
            path = f"{root}/{name}"
            if name in wanted:
                await destination.driver.put(path, wanted[name])
            else:
                await destination.driver.delete(path)
    return len(names)


def _differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> Sequence[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


async def _read(state: AccessState) -> dict[str, bytes]:
    """Return the content of every file by its path below the root."""
    paths = state.paths
    files = [paths.secret, paths.authority]
    for directory in (paths.keys, paths.robots, paths.uses):
        files += [f"{directory}/{name}" for name in await state.list_names(directory)]
    contents = {path.removeprefix(f"{paths.root}/"): await state.find(path) for path in files}
    return {name: content for name, content in contents.items() if content is not None}
