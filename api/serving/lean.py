"""Routes that are declared as FastAPI has it, and served without most of what it does by request.

For each request FastAPI tries every route's pattern in turn, enters exit stacks, and walks the
tree of dependencies with pydantic: several times what the registry itself has to do for a pull.
The routes of the protocol need little of it. `LeanRoute` reads the parameters that its declaration
names, validates those that are more than text, and calls the endpoint. `LeanRouter` finds the route
by the end of the path, and remembers for the paths that were asked for last what they say. Whatever
neither of them knows takes the ordinary way, and so does the contract: a lean route is an ordinary
`APIRoute`.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import find_needs
from api.errors import answer_error
from api.serving.exchange import find_exchange
from api.serving.lean_calls import Call, Parameters

__all__ = ["LeanRoute", "LeanRouter"]

_NAME = "{name:path}"
_UPLOADS = "uploads"

_MAX_PLACES = 1024
_MAX_PLACE_CHARACTERS = 512
"""No path of the protocol that means something is longer than a name and a digest are together."""


class LeanRoute(APIRoute):
    """A route below `/v2/{name:path}/` that can serve a request by itself.

    Its endpoint returns a Response, is asynchronous, and so are its dependencies; none of them is
    a generator, or takes a body, cookies or the response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Declare the route, and find out once what its endpoint wants to be given."""
        super().__init__(path, endpoint, **options)
        declared = find_needs(endpoint)
        if declared is None:
            raise TypeError(f"{endpoint.__qualname__} does not declare what it needs")
        self._needs = declared
        self._call = Call.of(self.dependant)

    async def serve(self, place: "Place", scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for `place`, errors included.

        Raises:
            Exception: the endpoint raised what no answer is known for, or raised once the answer
                had begun.
        """
        try:
            gate = scope["app"].gate
            name = place.parameters["name"]
            if gate is not None and not gate.admits(scope, self._needs, name):
                await gate.admit(scope, self._needs, name)
            given = place.given
            if given is None:
                parameters = Parameters(scope, receive, place.parameters)
                given = place.given = await self._call.find_given(parameters)
            response = await self._call.run(given, scope, receive, place.parameters)
            await response(scope, receive, send)
        except Exception as error:
            answer = await answer_error(Request(scope, receive), error)
            if answer is None or find_exchange(scope).has_begun:
                raise
            await answer(scope, receive, send)


class LeanRouter:
    """Sends requests to the lean routes of an application, and all others on to the application."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        """Stand before `app`, whose routes these are, in their order."""
        self._app = app
        self._places: dict[tuple[str, str], Place] = {}
        self._tails: dict[tuple[str, str], list[_Tail]] = {}
        for route in routes:
            if isinstance(route, LeanRoute):
                tail = _Tail.of(route)
                for method in route.methods or ():
                    self._tails.setdefault((method, tail.kind), []).append(tail)

    def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None] | Coroutine[Any, Any, None]:
        """Serve one request."""
        if scope["type"] == "http" and not scope.get("root_path"):
            place = self._places.get((scope["method"], scope["path"])) or self._find(scope)
            if place is not None:
                return place.route.serve(place, scope, receive, send)
        return self._app(scope, receive, send)

    def forget(self) -> None:
        """Remember nothing that belongs to a registry that was open before."""
        self._places.clear()

    def _find(self, scope: Scope) -> "Place | None":
        path: str = scope["path"]
        if not path.startswith("/v2/") or "\n" in path:
            return None
        name, _, last = path.rpartition("/")
        name, _, kind = name.rpartition("/")
        if kind == _UPLOADS:
            name, _, parent = name.rpartition("/")
            kind = f"{parent}/{_UPLOADS}"
        if not name.startswith("/v2/"):
            return None
        method: str = scope["method"]
        for tail in self._tails.get((method, kind), ()):
            if tail.parameter is None:
                if last == tail.last:
                    return self._remember(method, path, Place(tail.route, {"name": name[4:]}))
            elif last:
                parameters = {"name": name[4:], tail.parameter: last}
                return self._remember(method, path, Place(tail.route, parameters))
        return None

    def _remember(self, method: str, path: str, place: "Place") -> "Place":
        if len(path) <= _MAX_PLACE_CHARACTERS:
            if len(self._places) >= _MAX_PLACES:
                # The oldest: what is asked for often is soon here again.
                del self._places[next(iter(self._places))]
            self._places[method, path] = place
        return place


class Place:
    """What a method and a path say.

    Attributes:
        route: that serves them.
        parameters: texts of the path.
        given: the arguments of the endpoint that follow from the path, once they are known.
    """

    __slots__ = ("given", "parameters", "route")

    def __init__(self, route: LeanRoute, parameters: Mapping[str, str]) -> None:
        """Begin with nothing known but texts."""
        self.route = route
        self.parameters = parameters
        self.given: dict[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    """What comes behind the name of the repository in the paths of one route.

    Attributes:
        kind: what stands before the last slash.
        last: what stands behind it, if that is no parameter.
        parameter: its name, if it is.
    """

    route: LeanRoute
    kind: str
    last: str
    parameter: str | None

    @classmethod
    def of(cls, route: LeanRoute) -> "_Tail":
        kind, _, last = route.path.partition(f"{_NAME}/")[2].rpartition("/")
        is_parameter = last.startswith("{")
        return cls(
            route=route, kind=kind, last=last, parameter=last.strip("{}") if is_parameter else None
        )
