"""The control calls, `/_control/…`: switches, clock, counts, truth. Plain JSON, for tests and demos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stocktake.demo.clock import from_ms
from stocktake.demo.truth import truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.demo.state import CloudState
    from stocktake.demo.stats import Stats

_KIND = b"application/json"
Reply = tuple[int, bytes, bytes]


def control(state: CloudState, stats: Stats, method: str, path: str, body: bytes) -> Reply:
    """Return the answer to a control call: status, content type, body."""
    try:
        changes = orjson.loads(body) if body else {}
        if not isinstance(changes, dict):
            raise ValueError("an object is expected")  # noqa: TRY004  # all faults of the body are answered alike
        shown = _act(state, stats, method, path.removeprefix("/_control/"), changes)
    except ValueError as error:
        return 400, _KIND, orjson.dumps({"error": str(error)})
    if shown is None:
        return 404, _KIND, orjson.dumps({"error": f"no such control call: {method} {path}"})
    return 200, _KIND, orjson.dumps(shown)


def _act(
    state: CloudState, stats: Stats, method: str, name: str, changes: dict[str, object]
) -> Mapping[str, object] | None:
    match method, name:
        case "GET", "stats":
            return stats.as_json()
        case "POST", "reset_stats":
            stats.reset()
            return {}
        case (("GET" | "POST"), "switches"):
            state.switches = state.switches.changed(changes)
            return state.switches.as_json()
        case (("GET" | "POST"), "clock"):
            _set_clock(state, changes)
            return {"now": state.clock.now().isoformat(), "factor": state.clock.factor}
        case "GET", "truth":
            now = state.clock.now_ms()
            return {"now": from_ms(now).isoformat(), "jobs": list(truth(state, now))}
    return None


def _set_clock(state: CloudState, changes: dict[str, object]) -> None:
    unknown = sorted(set(changes) - {"advance_seconds", "factor"})
    if unknown:
        raise ValueError(f"the clock takes advance_seconds and factor, not {', '.join(unknown)}")
    for name, value in changes.items():
        if not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number")  # noqa: TRY004  # all faults of the body are answered alike
        if name == "factor":
            state.clock.factor = float(value)
        else:
            state.clock.advance(float(value))
