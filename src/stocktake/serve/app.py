"""The server: the gate, the API and the pages joined to one application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

import stocktake
from stocktake.core.errors import StocktakeError
from stocktake.serve import api, web
from stocktake.serve.gate import login
from stocktake.serve.gate.checks import Gate
from stocktake.serve.gate.headers import HEADERS
from stocktake.serve.gate.hosts import Hosts
from stocktake.serve.gate.house import House
from stocktake.serve.gate.metrics import Metrics
from stocktake.serve.gate.problems import problem_of

if TYPE_CHECKING:
    from stocktake.serve.gate.config import ServerConfig


def create_app(config: ServerConfig, *, port: int | None = None, house: House | None = None) -> FastAPI:
    """Return the application. `port`: on which it will really listen, where the configuration leaves that open.

    `app.state.house` is its `House`, a new one where none is given; close it when the server ends.
    """
    app = FastAPI(
        title="Stocktake",
        version=stocktake.__version__,
        # Those pages load their scripts from elsewhere; and the description is behind the login, as all is.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    house = house or House(config)
    metrics = Metrics()
    app.state.house = house
    app.state.metrics = metrics
    app.include_router(api.router)
    web.include_pages(app)
    app.include_router(login.router)
    for kind in (StocktakeError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _tell)
    app.add_middleware(Gate, house=house, hosts=Hosts(config, port or config.port), metrics=metrics)
    return app


def _tell(request: Request, error: Exception) -> Response:
    """Answer an error: programs get its four fields, people a page."""
    match error:
        case RequestValidationError():
            status, problem = 422, _invalid(error)
        case HTTPException():
            status, problem = error.status_code, _http_problem(request, error)
        case _:
            status, problem = problem_of(error)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 500:
        # Answered outside of the gate, which would have added them.
        headers |= {name.decode(): value.decode() for name, value in HEADERS}
    is_for_people = not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
    if is_for_people:
        return web.problem_page(request, status, problem, headers)
    return JSONResponse(problem, status, headers)


def _invalid(error: RequestValidationError) -> dict[str, str]:
    """Return what is wrong with the first parameter that is wrong."""
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return {
        "code": "invalid_request",
        "message": f"{where}: {first['msg']}",
        "hint": "docs/api.md and /api/v1/openapi.json say what each request takes.",
        "where": where,
    }


def _http_problem(request: Request, error: HTTPException) -> dict[str, str]:
    if error.status_code == 404:
        return {
            "code": "not_found",
            "message": f"There is nothing at {request.url.path}",
            "hint": "/api/v1/openapi.json lists what there is.",
            "where": request.url.path,
        }
    hint = "The API's description says which methods and bodies there are."
    return {"code": f"http_{error.status_code}", "message": str(error.detail), "hint": hint, "where": request.url.path}
