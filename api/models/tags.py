"""The list of tags. Spec: distribution-spec 1.1, "Listing Tags" (end-8a)."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TagList"]


class TagList(BaseModel):
    """The tags of a repository, or one page of them, in byte order."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(examples=["team/app"])
    tags: list[str] = Field(examples=[["1.0", "1.1", "latest"]])
