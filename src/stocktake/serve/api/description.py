"""The API described: OpenAPI 3.1, with the schemas of its answers, in `/api/v1/openapi.json`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi

import stocktake
from stocktake.serve.api.answers import JsonAnswer
from stocktake.serve.api.parameters import Asking

if TYPE_CHECKING:
    from fastapi import FastAPI

router = APIRouter(prefix="/api/v1", tags=["server"])

_PROBLEM = "#/components/schemas/Problem"
_ABOUT = (
    "Everything that the pages show, for programs. Who asks says so by a token (`Authorization: Bearer stk_…`) or by a "
    "browser's session; what is out of reach is like what does not exist. Errors are `{code, message, hint, where}`."
)
_TEXTS = ("code", "message", "hint", "where")


@router.get("/openapi.json", summary="This description")
def describe(request: Request, visitor: Asking) -> JsonAnswer:
    """Return the API's description."""
    del visitor
    state = request.app.state
    if not hasattr(state, "described"):
        state.described = description(request.app)
    return JsonAnswer(state.described)


def description(app: FastAPI) -> dict[str, Any]:
    """Return an application's description, with what routes say of their answers put in."""
    said: dict[str, Any] = get_openapi(
        title="Stocktake", version=stocktake.__version__, description=_ABOUT, routes=app.routes
    )
    parts = said.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in _TEXTS},
        "required": list(_TEXTS),
        "example": {
            "code": "unknown_resource",
            "message": "The catalog knows no resource 'x'",
            "hint": "Did you mean …?",
            "where": "",
        },
    }
    schemas |= _answers()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    said["security"] = [{"token": []}]
    for methods in said["paths"].values():
        for operation in methods.values():
            _complete(operation)
    return said


def _complete(operation: dict[str, Any]) -> None:
    """Put in what an operation answers, and how it says that something is wrong."""
    responses = operation["responses"]
    name = operation.pop("x-answer", None)
    if name is not None:
        for status in ("200", "201", "202"):
            if status in responses:
                schema = {"$ref": f"#/components/schemas/{name}"}
                responses[status]["content"] = {"application/json": {"schema": schema}}
    problem = {"application/json": {"schema": {"$ref": _PROBLEM}}}
    responses.pop("422", None)
    responses["4XX"] = {"description": "The request is at fault", "content": problem}
    responses["5XX"] = {"description": "The catalog cannot be had", "content": problem}


@cache
def _answers() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((files("stocktake.serve.api") / "schemas.json").read_bytes())
    return found
