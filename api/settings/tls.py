"""TLS: what the service shows its clients, and what it asks them to show."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from api.settings.groups import Group, about

__all__ = ["TlsSettings"]


def _none_if_empty(value: object) -> object:
    return value or None


_File = Annotated[Path | None, BeforeValidator(_none_if_empty)]
"""A variable that is set to nothing names no file."""


class TlsSettings(Group):
    """Whether the service speaks TLS itself, and how."""

    certificate: _File = Field(
        None,
        description="File with the certificate of the service in PEM, its own first and those of "
        "intermediate authorities behind it. It is loaded anew when it changes.",
        json_schema_extra=about(unit="", off="unset: plain HTTP"),
    )
    key: _File = Field(
        None,
        description="File with the private key of the certificate in PEM, without a passphrase; "
        "may be the same file.",
        json_schema_extra=about(unit="", off="unset: plain HTTP"),
    )
    minimum_version: Literal["1.2", "1.3"] = Field(
        "1.2",
        description="The oldest version of TLS that is spoken.",
        json_schema_extra=about(unit="", off=""),
    )
    client_certificates: Literal["off", "optional", "required"] = Field(
        "off",
        description="Whether clients are asked for certificates: with `optional` they may come "
        "without one, with `required` they may not. One that is not valid is never taken.",
        json_schema_extra=about(unit="", off="`off`"),
    )
    client_authorities: _File = Field(
        None,
        description="File with the certificates of the authorities, in PEM, whose client "
        "certificates are believed. It is loaded anew when it changes.",
        json_schema_extra=about(unit="", off="unset"),
    )
    handshake_timeout_seconds: float = Field(
        10,
        gt=0,
        description="How long a client may take from connecting to the end of the handshake.",
        json_schema_extra=about(unit="seconds", off=""),
    )
    hsts_max_age_seconds: int = Field(
        31_536_000,
        ge=0,
        description="How long browsers are told to come back over TLS only "
        "(`Strict-Transport-Security`), where TLS is on. They hold every port of the host to it.",
        json_schema_extra=about(unit="seconds", off="0 sends no such header"),
    )

    @property
    def is_on(self) -> bool:
        """Whether TLS is spoken."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        if self.client_certificates == "off":
            return self
        if self.client_authorities is None or not self.is_on:
            raise ValueError("certificate, key and client_authorities for client_certificates")
        return self
