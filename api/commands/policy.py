"""`moorage policy`: what the rules of the settings say."""

from typing import Annotated, get_args

import typer

from api.access.policies import load_policy
from api.commands.options import EXIT_USAGE, Config, fail, load_or_fail
from core.access import ACTIONS, ANONYMOUS, Principal, PrincipalKind
from core.access.resources import EVERYTHING, Grant
from core.errors import NameInvalid
from core.storage import RepositoryName

__all__ = ["policy"]

policy = typer.Typer(name="policy", help="What the rules say.", no_args_is_help=True)


@policy.command()
def explain(
    user: Annotated[
        str,
        typer.Argument(help="Who asks: a user's name, `robot:NAME`, `workload:NAME`, `anonymous`."),
    ],
    action: Annotated[str, typer.Argument(help=f"One of {', '.join(ACTIONS)}.")],
    repository: Annotated[str, typer.Argument(help="Name of the repository.")],
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group that the credentials vouch for. May be repeated."),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(help="A claim of the token, as NAME=VALUE. May be repeated."),
    ] = None,
    config: Config = None,
) -> None:
    """Say whether the rules allow something, and which rule decides. Exit code 1: not allowed.

    What a robot or a workload was given is not looked at: it may be less than the rules allow.
    """
    settings = load_or_fail(config, host=None, port=None, workers=None, root=None).settings
    if action not in ACTIONS:
        fail([f"an action is one of {', '.join(ACTIONS)}, not {action!r}"], exit_code=EXIT_USAGE)
    try:
        name = str(RepositoryName.parse(repository))
    except NameInvalid as error:
        fail([error.message], exit_code=EXIT_USAGE)
    claims = {}
    for text in claim or ():
        claimed, equals, value = text.partition("=")
        if not (claimed and equals):
            fail([f"a claim is NAME=VALUE, not {text!r}"], exit_code=EXIT_USAGE)
        claims[claimed] = value
    if settings.access.is_open:
        note = "access.controller is none: no rule is in force, and everybody may do everything"
        typer.echo(f"moorage: {note}", err=True)
    asker = _asker(user, group or (), claims)
    decision = load_policy(settings).decide(asker, action, name)
    verdict, reason = "allowed" if decision.allowed else "denied", decision.reason
    if decision.rule is None and asker.grants is not None:
        reason = "no rule speaks of it, so that what it was given decides"
    typer.echo(f"{verdict}: {reason}")
    if not decision.allowed:
        raise typer.Exit(1)


def _asker(text: str, groups: list[str] | tuple[()], claims: dict[str, str]) -> Principal:
    if text == ANONYMOUS.subject:
        return ANONYMOUS
    kind, colon, name = text.partition(":")
    if not colon or kind not in get_args(PrincipalKind):
        kind, name = "user", text
    return Principal(
        kind=kind,  # type: ignore[arg-type] # one of the kinds, as was just seen
        name=name,
        groups=frozenset(groups),
        claims=claims,
        grants=None if kind == "user" else (Grant(EVERYTHING, frozenset({"*"})),),
    )
