"""The errors that the simulated services answer with, in the services' own words."""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is an error: the service's code, its message, an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    """Return the answer to a request that breaks a rule."""
    return ApiError("ValidationException", message)


def not_found(message: str = "Requested resource not found.") -> ApiError:
    """Return the answer about a resource that does not exist."""
    return ApiError("ResourceNotFound", message)


def in_use(message: str) -> ApiError:
    """Return the answer about a name that is taken, or a resource that is still needed."""
    return ApiError("ResourceInUse", message)


def violations(found: list[tuple[str, object, str]]) -> ApiError:
    """Return the answer to a request that breaks the model: (member, value, constraint) each."""
    parts = [f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {what}" for path, value, what in found]
    noun = "error" if len(parts) == 1 else "errors"
    return invalid(f"{len(parts)} validation {noun} detected: {'; '.join(parts)}")


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = str(value)
    return f"'{text if len(text) <= 200 else text[:197] + '...'}'"
