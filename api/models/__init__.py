"""The JSON documents of the protocol, as the contract shows them."""

from api.models.catalog import Catalog
from api.models.errors import ErrorItem, ErrorList
from api.models.tags import TagList
from api.models.token import KeySet, TokenAnswer, TokenError

__all__ = ["Catalog", "ErrorItem", "ErrorList", "KeySet", "TagList", "TokenAnswer", "TokenError"]
