"""What one client may do: requests, bytes, uploads at once, and wrong passwords."""

from api.limits.create import create_limiter, create_login_throttle
from api.limits.limiter import Limiter, Ticket
from api.limits.middleware import LimitsMiddleware
from api.limits.subjects import subject_of_client

__all__ = [
    "Limiter",
    "LimitsMiddleware",
    "Ticket",
    "create_limiter",
    "create_login_throttle",
    "subject_of_client",
]
