"""What the token endpoint answers."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from api.models.errors import ErrorItem

__all__ = ["KeySet", "TokenAnswer", "TokenError"]


class TokenAnswer(BaseModel):
    """A token. Spec: distribution, "Token Authentication Specification", "Token Response"."""

    model_config = ConfigDict(frozen=True)

    token: str = Field(description="To be sent as `Authorization: Bearer`.")
    access_token: str = Field(description="The same, as OAuth2 calls it.")
    token_type: str = Field("Bearer", examples=["Bearer"])
    expires_in: int = Field(description="Seconds for which it is good.", examples=[300])
    issued_at: str = Field(description="RFC 3339, UTC.", examples=["2026-01-01T00:00:00Z"])
    scope: str = Field(
        description="What it is good for, which may be less than was asked for.",
        examples=["repository:team/app:pull,push"],
    )
    refresh_token: str | None = Field(
        default=None, description="With which to get the next one, where it was asked for."
    )
    issued_token_type: str | None = Field(
        default=None, description="Of a token that was exchanged for another. Spec: RFC 8693."
    )


class TokenError(BaseModel):
    """Why `POST` gives no token, in the words of OAuth2 and in those of the registry.

    Spec: RFC 6749, section 5.2. Clients of registries show people the message of `errors`.
    """

    model_config = ConfigDict(frozen=True)

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field(examples=["the password or token is wrong or has expired"])
    errors: list[ErrorItem] = Field(min_length=1)


class KeySet(BaseModel):
    """The keys that tokens are signed with. Spec: RFC 7517, section 5."""

    model_config = ConfigDict(frozen=True)

    keys: list[Mapping[str, str | list[str]]] = Field(
        min_length=1, examples=[[{"kty": "EC", "crv": "P-256", "kid": "...", "alg": "ES256"}]]
    )
