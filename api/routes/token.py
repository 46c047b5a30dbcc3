"""Where clients get tokens, if the registry is its own token server. Not below /v2/."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.access import needs_nothing
from api.access.askers import asker_of
from api.access.audit import Audit
from api.access.challenges import format_challenge
from api.access.gate import Gate
from api.contract import answer, answers, document, errors
from api.contract.headers import TOKEN_CACHE_CONTROL
from api.dependencies import CurrentSettings, RegistryState
from api.errors import ERROR_TABLE, BodyOverdue
from api.headers import API_VERSION
from api.models import ErrorItem, KeySet, TokenAnswer, TokenError
from api.token_form import form_body, read_form, required
from core.access import ANONYMOUS, Challenge, CredentialsInvalid
from core.access.resources import format_scope
from core.access.tokens.identity import Identity
from core.access.tokens.service import IssuedTokens, TokenService
from core.errors import (
    AccessUnavailable,
    LoginRefused,
    RegistryError,
    TokenRequestInvalid,
)

__all__ = ["router"]

router = APIRouter(prefix="/token", tags=["tokens"], default_response_class=Response)

_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
_SUBJECT_TYPES: Final = {
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:jwt",
}
_YES: Final = "true"
_KEPT_SECONDS = 300
_NO_STORE: Final = {**API_VERSION, "Cache-Control": "no-store"}
_REFUSED = ERROR_TABLE[LoginRefused].message

_ANSWERED = answer(200, "A token.", TOKEN_CACHE_CONTROL, content=document(TokenAnswer))


async def _get_tokens(request: Request) -> TokenService:
    state: RegistryState = request.app.state.moorage
    if state.tokens is None:
        raise HTTPException(404)
    return state.tokens


Tokens = Annotated[TokenService, Depends(_get_tokens)]


@router.get(
    "",
    operation_id="getToken",
    responses=answers(
        _ANSWERED,
        errors(*(TokenRequestInvalid, LoginRefused, AccessUnavailable), guarded="no"),
    ),
)
@needs_nothing
async def get_token(
    request: Request,
    tokens: Tokens,
    settings: CurrentSettings,
    service: Annotated[
        str | None,
        Query(description="Who the token is for, as the challenge says.", examples=["moorage"]),
    ] = None,
    scope: Annotated[
        list[str] | None,
        Query(
            description="What it is to be good for; may be there several times.",
            examples=[["repository:team/app:pull,push"]],
        ),
    ] = None,
    account: Annotated[
        str | None, Query(description="Ignored: the credentials say it.", examples=["ann"])
    ] = None,
    client_id: Annotated[
        str | None, Query(description="Ignored: the name of the program.", examples=["docker"])
    ] = None,
    offline: Annotated[
        str | None,
        Query(
            alias="offline_token",
            description="`true` asks for a refresh token too.",
            examples=["true"],
        ),
    ] = None,
) -> Response:
    """Get a token, with a password in the scheme Basic, or as anybody without one.

    It is good for as much of the scope as is allowed, which may be nothing.
    Spec: distribution, "Token Authentication Specification".
    """
    try:
        wanted = tokens.check_service(service)
        identity = await tokens.identify(asker_of(request.scope))
        issued = await tokens.issue(identity, wanted, scope or (), offline=offline == _YES)
    except CredentialsInvalid as error:
        _note_denied(request, error)
        basic = Challenge(scheme="Basic", realm=settings.access.realm)
        challenge = format_challenge(basic, request.scope)
        raise LoginRefused(_REFUSED, challenge=challenge) from error
    _note_given(request, identity, issued)
    return _answer(issued)


@router.post(
    "",
    operation_id="postToken",
    responses=answers(
        _ANSWERED,
        errors(
            *(TokenRequestInvalid, BodyOverdue, AccessUnavailable),
            guarded="no",
            fields={ERROR_TABLE[TokenRequestInvalid].status: (TOKEN_CACHE_CONTROL,)},
        ),
    ),
    openapi_extra=form_body(),
)
@needs_nothing
async def post_token(request: Request, tokens: Tokens, settings: CurrentSettings) -> Response:
    """Get a token as OAuth2 has it: for a password, a refresh token or an ID token of an issuer.

    Errors also have the members `error` and `error_description` of OAuth2.
    Spec: distribution, "OAuth2 Token Authentication"; RFC 6749, sections 4.3, 5 and 6; RFC 8693.
    """
    try:
        form = await read_form(request, settings.uploads.body_timeout_seconds)
        return await _grant(request, tokens, form)
    except CredentialsInvalid as error:
        _note_denied(request, error)
        return _refuse(LoginRefused, "invalid_grant", _REFUSED)
    except TokenRequestInvalid as error:
        return _refuse(TokenRequestInvalid, error.error, error.message)


@router.get(
    "/jwks",
    operation_id="getTokenKeys",
    responses=answers(
        answer(200, "The keys.", TOKEN_CACHE_CONTROL, content=document(KeySet)),
        errors(AccessUnavailable, guarded="no"),
    ),
)
@needs_nothing
async def get_token_keys(tokens: Tokens) -> Response:
    """Get the keys that tokens are signed with.

    Spec: RFC 7517, section 5.
    """
    body = KeySet.model_validate(await tokens.key_set())
    headers = {**API_VERSION, "Cache-Control": f"max-age={_KEPT_SECONDS}"}
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")


async def _grant(request: Request, tokens: TokenService, form: Mapping[str, str]) -> Response:
    address = None if request.client is None else request.client.host
    service = tokens.check_service(form.get("service"))
    kind = refresh = None
    match required(form, "grant_type"):
        case "password":
            user, password = required(form, "username"), required(form, "password")
            identity = await tokens.log_in(user, password, address)
        case "refresh_token":
            refresh = required(form, "refresh_token")
            identity = await tokens.log_in_again(refresh, service)
        case grant if grant == _EXCHANGE:
            if required(form, "subject_token_type") not in _SUBJECT_TYPES:
                raise TokenRequestInvalid("invalid_request", "the subject_token is no ID token")
            identity = await tokens.log_in_workload(required(form, "subject_token"))
            kind = _ACCESS_TOKEN
        case _:
            raise TokenRequestInvalid("unsupported_grant_type", "this grant_type is not known")
    scopes = (form["scope"],) if "scope" in form else ()
    # One who comes again has a refresh token, which another would not outlive.
    offline = form.get("access_type") == "offline" and refresh is None
    issued = await tokens.issue(identity, service, scopes, offline=offline)
    _note_given(request, identity, issued)
    return _answer(issued, refresh=refresh, kind=kind)


def _answer(
    issued: IssuedTokens, *, refresh: str | None = None, kind: str | None = None
) -> Response:
    access = issued.access
    body = TokenAnswer(
        token=access.text,
        access_token=access.text,
        expires_in=access.expires_in,
        issued_at=access.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        scope=format_scope(access.access),
        refresh_token=refresh or issued.refresh,
        issued_token_type=kind,
    )
    return Response(
        body.model_dump_json(exclude_none=True), headers=_NO_STORE, media_type="application/json"
    )


def _refuse(kind: type[RegistryError], word: str, reason: str) -> Response:
    """Return an answer that OAuth2 and clients of registries both read.

    Spec: RFC 6749, section 5.2, which has 400 for wrong passwords too.
    """
    body = TokenError(
        error=word,
        error_description=reason,
        errors=[ErrorItem(code=ERROR_TABLE[kind].code, message=reason)],
    )
    return Response(
        body.model_dump_json(exclude_none=True), 400, _NO_STORE, media_type="application/json"
    )


def _note_given(request: Request, identity: Identity, issued: IssuedTokens) -> None:
    _audit(request).note(
        request.scope,
        "token",
        identity.principal.subject,
        given=[str(access) for access in issued.access.access],
        refresh=issued.refresh is not None,
    )


def _note_denied(request: Request, error: CredentialsInvalid) -> None:
    who = ANONYMOUS.subject
    _audit(request).note(request.scope, "denied", who, claimed=error.user, reason=error.reason)


def _audit(request: Request) -> Audit:
    gate: Gate = request.app.gate
    return gate.audit
