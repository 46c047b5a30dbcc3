"""The body of every error. Spec: distribution-spec 1.1, "Error Codes"."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ErrorItem", "ErrorList"]


class ErrorItem(BaseModel):
    """One fault."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(
        pattern="^[A-Z_]+$", description="What kind of fault it is.", examples=["BLOB_UNKNOWN"]
    )
    message: str = Field(description="The same for people.", examples=["blob unknown to registry"])
    detail: dict[str, str | int | Sequence[str]] | None = Field(
        default=None,
        description="What it is about: which digest, which field, what was expected.",
        examples=[
            {"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
        ],
    )


class ErrorList(BaseModel):
    """All faults of one request, at least one."""

    model_config = ConfigDict(frozen=True)

    errors: list[ErrorItem] = Field(min_length=1)
