"""Counts of the calls that the simulated cloud answered."""

from __future__ import annotations

from collections import Counter


class Stats:
    """Calls and errors per service and operation."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()

    def count(self, service: str, operation: str, *, failed: bool) -> None:
        """Count one answer."""
        self._calls[service, operation] += 1
        if failed:
            self._errors[service, operation] += 1

    def reset(self) -> None:
        """Start counting anew."""
        self._calls.clear()
        self._errors.clear()

    def calls(self) -> dict[tuple[str, str], int]:
        """Return the number of answers per (service, operation)."""
        return dict(self._calls)

    def errors(self) -> dict[tuple[str, str], int]:
        """Return the number of answers that were errors per (service, operation)."""
        return dict(self._errors)

    def as_json(self) -> dict[str, object]:
        """Return the counts as JSON shows them, `service:Operation` each."""
        return {
            "calls": {f"{service}:{operation}": n for (service, operation), n in sorted(self._calls.items())},
            "errors": {f"{service}:{operation}": n for (service, operation), n in sorted(self._errors.items())},
            "total": self._calls.total(),
        }
