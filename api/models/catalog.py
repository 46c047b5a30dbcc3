"""The list of repositories."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Catalog"]


class Catalog(BaseModel):
    """The repositories of the registry, or one page of them."""

    model_config = ConfigDict(frozen=True)

    repositories: list[str] = Field(examples=[["base/alpine", "team/app"]])
