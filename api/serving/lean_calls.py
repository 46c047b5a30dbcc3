"""Calling an endpoint as FastAPI has it declared, without FastAPI.

What is found out once from a declaration is `Call`; what a request gives it is in `Parameters`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope

from api.serving.exchange import find_exchange

__all__ = ["Call", "Parameters", "of_the_path"]

_PLAIN_TYPES = (str, str | None)
_OF_THE_PATH = "moorage_of_the_path"

Read = Callable[["Parameters"], object]
Dependency = TypeVar("Dependency", bound=Callable[..., Awaitable[object]])


def of_the_path(dependency: Dependency) -> Dependency:
    """Mark a dependency whose value follows from the path, as long as the registry is open.

    The value may be given to other requests for the same path. The function must not read anything
    else of a request, and its value must not change.
    """
    setattr(dependency, _OF_THE_PATH, True)
    return dependency


class Parameters:
    """What a request gives, each kind of it parsed when it is first asked for."""

    __slots__ = ("_query", "_request", "path", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        """Read the request of `scope`, in whose path these texts are."""
        self.scope = scope
        self.path = path
        self.receive = receive
        self._request: Request | None = None
        self._query: QueryParams | None = None

    @property
    def request(self) -> Request:
        """All of it."""
        if self._request is None:
            self._request = Request(self.scope, self.receive)
        return self._request

    @property
    def query(self) -> QueryParams:
        """Its query."""
        if self._query is None:
            self._query = QueryParams(self.scope["query_string"])
        return self._query

    @property
    def headers(self) -> Headers:
        """Its headers."""
        return self.request.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function to be called for a request, and where each of its arguments comes from.

    Attributes:
        function: to be called.
        request_name: of the argument that is the request, if there is one.
        path: names of arguments that are texts of the path, and what they are called there.
        query: names of arguments that are texts of the query, and what reads them.
        headers: names of arguments that are texts of headers, the headers, and what stands for
            one that is missing.
        validated: the others, and what kind they are of.
        given: the first dependencies, those that are marked with `of_the_path`.
        dependencies: the rest of them.
        is_plain: whether nothing but the path and headers is looked at.
    """

    function: Callable[..., Awaitable[Any]]
    request_name: str | None
    path: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, Read], ...]
    headers: tuple[tuple[str, bytes, object], ...]
    validated: tuple[tuple[list[Any], str], ...]
    given: tuple[tuple[str | None, "Call"], ...]
    dependencies: tuple[tuple[str | None, "Call"], ...]
    is_plain: bool

    @classmethod
    def of(cls, dependant: Dependant) -> "Call":
        """Return what a declaration comes to."""
        validated: list[tuple[list[Any], str]] = []

        def plain(kind: str, fields: list[Any]) -> list[Any]:
            found = []
            for field in fields:
                info = field.field_info
                if info.annotation in _PLAIN_TYPES and not info.metadata:
                    found.append(field)
                else:
                    validated.append(([field], kind))
            return found

        path = tuple((field.name, field.alias) for field in plain("path", dependant.path_params))
        query = tuple(
            (field.name, _query_reader(field)) for field in plain("query", dependant.query_params)
        )
        headers = tuple(
            (field.name, _header_name(field), field.field_info.default)
            for field in plain("headers", dependant.header_params)
        )
        subs = dependant.dependencies
        first = next(
            (i for i, sub in enumerate(subs) if not hasattr(sub.call, _OF_THE_PATH)), len(subs)
        )
        calls = tuple((sub.name, cls.of(sub)) for sub in subs)
        assert dependant.call is not None
        return cls(
            function=dependant.call,
            request_name=dependant.request_param_name,
            path=path,
            query=query,
            headers=headers,
            validated=tuple(validated),
            given=calls[:first],
            dependencies=calls[first:],
            is_plain=not (
                calls[first:] or query or validated or dependant.request_param_name is not None
            ),
        )

    async def find_given(self, parameters: Parameters) -> dict[str, object]:
        """Return the arguments that follow from the path.

        Raises:
            Exception: a dependency raised it.
        """
        arguments: dict[str, object] = {}
        for name, dependency in self.given:
            value = await dependency(parameters)
            if name is not None:
                arguments[name] = value
        for name, alias in self.path:
            arguments[name] = parameters.path[alias]
        return arguments

    def run(
        self, given: Mapping[str, object], scope: Scope, receive: Receive, path: Mapping[str, str]
    ) -> Awaitable[Any]:
        """Call the function with what `find_given` has returned for the path, and all the rest."""
        arguments = {**given}
        if self.headers:
            fields = find_exchange(scope).fields
            for name, header, default in self.headers:
                value = fields.get(header)
                arguments[name] = default if value is None else value.decode("latin-1")
        if self.is_plain:
            return self.function(**arguments)
        return self._run_with_rest(arguments, Parameters(scope, receive, path))

    async def __call__(self, parameters: Parameters) -> Any:
        """Call the function with everything that it wants."""
        given = await self.find_given(parameters)
        return await self.run(given, parameters.scope, parameters.receive, parameters.path)

    async def _run_with_rest(self, arguments: dict[str, object], parameters: Parameters) -> Any:
        for name, dependency in self.dependencies:
            value = await dependency(parameters)
            if name is not None:
                arguments[name] = value
        for name, read in self.query:
            arguments[name] = read(parameters)
        if self.validated:
            self._validate(parameters, arguments)
        if self.request_name is not None:
            arguments[self.request_name] = parameters.request
        return await self.function(**arguments)

    def _validate(self, parameters: Parameters, arguments: dict[str, object]) -> None:
        errors: list[Any] = []
        for fields, kind in self.validated:
            values, faults = request_params_to_args(fields, getattr(parameters, kind))
            arguments.update(values)
            errors += faults
        if errors:
            raise RequestValidationError(errors)


def _query_reader(field: Any) -> Read:
    """Return what reads a parameter of the query that is text, or text or nothing."""
    alias: str = field.alias
    default: object = field.field_info.default
    assert not field.field_info.is_required()

    def read(parameters: Parameters) -> object:
        if not parameters.scope["query_string"]:
            return default
        return parameters.query.get(alias, default)

    return read


def _header_name(field: Any) -> bytes:
    alias: str = field.alias
    assert not field.field_info.is_required()
    assert isinstance(field.field_info, params.Header)
    if field.field_info.convert_underscores and alias == field.name:
        alias = alias.replace("_", "-")
    return alias.lower().encode("latin-1")
