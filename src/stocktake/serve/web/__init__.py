"""The pages that people see: read by GET alone, without JavaScript too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.staticfiles import StaticFiles

from stocktake.serve.web.pages import ROUTERS
from stocktake.serve.web.rendering import STATIC, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request
    from starlette.responses import Response
    from starlette.types import Scope

_TITLES = {401: "Not logged in", 403: "Not allowed", 404: "Not found", 408: "Took too long", 429: "Too many requests"}


class _Assets(StaticFiles):
    """Static files: for good where the address has the file's hash, else asked for again each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        answer = await super().get_response(path, scope)
        is_hashed = scope.get("query_string", b"").startswith(b"v=")
        answer.headers["cache-control"] = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        return answer


def include_pages(app: FastAPI) -> None:
    """Give an application the pages and what they are made of."""
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)
    app.mount("/static", _Assets(directory=STATIC), name="static")


def problem_page(
    request: Request, status: int, problem: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a page, or as a part of one where a script asked."""
    is_part = request.headers.get("hx-request") == "true" or request.query_params.get("panel") == "1"
    title = _TITLES.get(status, "That did not work" if status < 500 else "The server could not answer")
    name = "problem_part.html" if is_part else "problem.html"
    answer = render(request, name, status_code=status, title=title, problem=problem, status=status)
    answer.headers.update(headers or {})
    return answer
