"""Routes that are declared as FastAPI has it, and served without most of what it does by request.

For each request FastAPI tries every route's pattern in turn, enters exit stacks, and walks the
tree of dependencies with pydantic: several times what the registry itself has to do for a pull.
The routes of the protocol need little of it. `LeanRoute` reads the parameters that its declaration
names, validates those that are more than text, and calls the endpoint. `LeanRouter` finds the route
by the end of the path. Whatever neither of them knows takes the ordinary way, and so does the
contract: a lean route is an ordinary `APIRoute`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, QueryParams
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import answer_error
from api.exchange import find_exchange

__all__ = ["LeanRoute", "LeanRouter"]

_NAME = "{name:path}"
_UPLOADS = "uploads"
_PLAIN_TYPES = (str, str | None)

Read = Callable[["_Parameters"], object]


class LeanRoute(APIRoute):
    """A route below `/v2/{name:path}/` that can serve a request by itself.

    Its endpoint returns a Response, is asynchronous, and so are its dependencies; none of them is
    a generator, or takes a body, cookies or the response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Declare the route, and find out once what its endpoint wants to be given."""
        super().__init__(path, endpoint, **options)
        self._call = _Call.of(self.dependant)

    async def serve(
        self, path_parameters: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request, errors included.

        Raises:
            Exception: the endpoint raised what no answer is known for, or raised once the answer
                had begun.
        """
        request = Request(scope, receive)
        try:
            response = await self._call(_Parameters(request, path_parameters))
            await response(scope, receive, send)
        except Exception as error:
            answer = await answer_error(request, error)
            if answer is None or find_exchange(scope).has_begun:
                raise
            await answer(scope, receive, send)


class LeanRouter:
    """Sends requests to the lean routes of an application, and all others on to the application."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        """Stand before `app`, whose routes these are, in their order."""
        self._app = app
        self._tails: dict[tuple[str, str], list[_Tail]] = {}
        for route in routes:
            if isinstance(route, LeanRoute):
                tail = _Tail.of(route)
                for method in route.methods or ():
                    self._tails.setdefault((method, tail.kind), []).append(tail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (found := self._find(scope)) is not None:
            route, path_parameters = found
            await route.serve(path_parameters, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[LeanRoute, dict[str, str]] | None:
        path: str = scope["path"]
        if not path.startswith("/v2/") or scope.get("root_path") or "\n" in path:
            return None
        name, _, last = path.rpartition("/")
        name, _, kind = name.rpartition("/")
        if kind == _UPLOADS:
            name, _, parent = name.rpartition("/")
            kind = f"{parent}/{_UPLOADS}"
        if not name.startswith("/v2/"):
            return None
        for tail in self._tails.get((scope["method"], kind), ()):
            if tail.parameter is None:
                if last == tail.last:
                    return tail.route, {"name": name[4:]}
            elif last:
                return tail.route, {"name": name[4:], tail.parameter: last}
        return None


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


class _Parameters:
    """What a request gives, each kind of it parsed when it is first asked for."""

    __slots__ = ("_headers", "_query", "path", "request")

    def __init__(self, request: Request, path: Mapping[str, str]) -> None:
        self.request = request
        self.path = path
        self._headers: dict[bytes, bytes] | None = None
        self._query: QueryParams | None = None

    def find_header(self, name: bytes) -> str | None:
        headers = self._headers
        if headers is None:
            # Of a header that comes twice the first one counts, as in FastAPI.
            headers = self._headers = dict(reversed(self.request.scope["headers"]))
        value = headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def query(self) -> QueryParams:
        if self._query is None:
            self._query = QueryParams(self.request.scope["query_string"])
        return self._query

    @property
    def headers(self) -> Headers:
        return self.request.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A function to be called for a request, and where each of its arguments comes from."""

    function: Callable[..., Awaitable[Any]]
    request_name: str | None
    plain: tuple[tuple[str, Read], ...]
    validated: tuple[tuple[list[Any], str], ...]
    dependencies: tuple[tuple[str | None, "_Call"], ...]

    @classmethod
    def of(cls, dependant: Dependant) -> "_Call":
        plain: list[tuple[str, Read]] = []
        validated: list[tuple[list[Any], str]] = []
        for kind, fields in (
            ("path", dependant.path_params),
            ("query", dependant.query_params),
            ("headers", dependant.header_params),
        ):
            for field in fields:
                info = field.field_info
                if info.annotation in _PLAIN_TYPES and not info.metadata:
                    plain.append((field.name, _reader(kind, field)))
                else:
                    validated.append(([field], kind))
        assert dependant.call is not None
        return cls(
            function=dependant.call,
            request_name=dependant.request_param_name,
            plain=tuple(plain),
            validated=tuple(validated),
            dependencies=tuple((sub.name, cls.of(sub)) for sub in dependant.dependencies),
        )

    async def __call__(self, parameters: _Parameters) -> Any:
        arguments: dict[str, object] = {}
        for name, dependency in self.dependencies:
            value = await dependency(parameters)
            if name is not None:
                arguments[name] = value
        for name, read in self.plain:
            arguments[name] = read(parameters)
        if self.validated:
            self._validate(parameters, arguments)
        if self.request_name is not None:
            arguments[self.request_name] = parameters.request
        return await self.function(**arguments)

    def _validate(self, parameters: _Parameters, arguments: dict[str, object]) -> None:
        errors: list[Any] = []
        for fields, kind in self.validated:
            values, faults = request_params_to_args(fields, getattr(parameters, kind))
            arguments.update(values)
            errors += faults
        if errors:
            raise RequestValidationError(errors)


def _reader(kind: str, field: Any) -> Read:
    """Return what reads a parameter that is text, or text or nothing."""
    alias: str = field.alias
    default: object = field.field_info.default
    if kind == "path":
        return lambda parameters: parameters.path[alias]
    assert not field.field_info.is_required()
    if kind == "query":

        def read_query(parameters: _Parameters) -> object:
            if not parameters.request.scope["query_string"]:
                return default
            return parameters.query.get(alias, default)

        return read_query
    assert isinstance(field.field_info, params.Header)
    if field.field_info.convert_underscores and alias == field.name:
        alias = alias.replace("_", "-")
    header = alias.lower().encode("latin-1")

    def read_header(parameters: _Parameters) -> object:
        value = parameters.find_header(header)
        return default if value is None else value

    return read_header
