"""A client of HTTP for stores: many small requests, and content that is copied once."""

from core.drivers.http.pool import HttpAnswer, HttpPool
from core.drivers.http.proxy import Proxy, environment_proxy

__all__ = ["HttpAnswer", "HttpPool", "Proxy", "environment_proxy"]
