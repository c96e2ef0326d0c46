"""What the API answers with: JSON as the command line has it, and the bounds of lists."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from stocktake.serve.telling.values import to_json


class JsonAnswer(Response):
    """A value as JSON: times ISO 8601 with `Z`, exact decimals, spans as ISO 8601 durations, blobs as base64."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - any value
        """Return the value as JSON."""
        return to_json(content)


def answers(name: str) -> dict[str, Any]:
    """Return what a route says of its answer: the name of its schema in `schemas.json`, see `description`."""
    return {"x-answer": name}
