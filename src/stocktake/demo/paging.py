"""Next tokens: opaque to the client, a place in an order to us."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from stocktake.demo.api_errors import invalid


def encode_token(*place: Any) -> str:  # noqa: ANN401  # numbers and names
    """Return a token for a place in an order."""
    return base64.urlsafe_b64encode(b"\x01" + orjson.dumps(place)[::-1]).decode()


def decode_token(text: str | None, length: int) -> list[Any] | None:
    """Return the place that a token stands for; None without one.

    Raises:
        ApiError: the token is not one of ours, or from another kind of list.
    """
    if not text:
        return None
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        place = orjson.loads(raw[1:][::-1])
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid NextToken: the token was not issued by this operation.") from error
    if not isinstance(place, list) or len(place) != length:
        raise invalid("Invalid NextToken: the token was not issued by this operation.")
    return place
