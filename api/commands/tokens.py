"""`moorage tokens`: the keys that the registry signs its tokens with."""

import typer

from api.commands.access_state import with_access_state
from api.commands.options import Config, Root
from api.settings.access import AccessSettings
from core.access.state import AccessState
from core.access.tokens.server import create_signing_keys
from core.access.tokens.signing import SigningKeys

__all__ = ["tokens"]

tokens = typer.Typer(
    name="tokens",
    help="Look after the keys that the registry signs its tokens with.",
    no_args_is_help=True,
)


@tokens.command("certificate")
def print_certificate(root: Root = None, config: Config = None) -> None:
    """Print the certificate that vouches for the keys, which other registries have to trust.

    It is good for twenty years, and so for keys that there are not yet.
    """

    async def read(state: AccessState, settings: AccessSettings) -> str:
        return await _keys_of(state, settings).certificate()

    typer.echo(with_access_state(config, root, read), nl=False)


@tokens.command("rotate")
def rotate_key(root: Root = None, config: Config = None) -> None:
    """Make a new key, with which all nodes sign within a minute; older tokens stay good."""

    async def rotate(state: AccessState, settings: AccessSettings) -> str:
        return (await _keys_of(state, settings).rotate()).kid

    typer.echo(f"made key {with_access_state(config, root, rotate)}")


def _keys_of(state: AccessState, settings: AccessSettings) -> SigningKeys:
    return create_signing_keys(
        state,
        key_rotation_days=settings.tokens.key_rotation_days,
        access_token_seconds=settings.tokens.access_token_seconds,
    )
