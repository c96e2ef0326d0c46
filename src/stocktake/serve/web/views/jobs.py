"""The jobs board, as its template takes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stocktake.serve.web.pictures.axes import Tick, seconds_of
from stocktake.serve.web.pictures.bars import Column, Part, columns, share_bar
from stocktake.serve.web.pictures.gantt import Bar, strip
from stocktake.serve.web.rendering import duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.insights.job_board import Board, Row

STATE_KINDS = {
    "succeeded": "ok", "failed": "bad", "timed_out": "bad", "partial": "warn", "cancelled": "warn", "running": "info",
    "starting": "info", "queued": "mute", "stopping": "warn", "deleting": "mute",
}  # fmt: skip
"""The kind of badge for each state."""
_SOON = timedelta(hours=1)


def board_view(board: Board) -> dict[str, Any]:
    """Return everything that the template shows."""
    states = {row["state"]: row["jobs"] for row in board.parts["states"]}
    ended = sum(states.get(one, 0) for one in ("succeeded", "failed", "timed_out", "partial"))
    failed = ended - states.get("succeeded", 0)
    teams = board.parts["teams"]
    savings = board.parts["savings"]
    return {
        "moment": board.moment,
        "is_live": board.is_live,
        "currency": board.currency,
        "states": states,
        "waiting": len(board.parts["queue"]),
        "running_count": sum(states.get(one, 0) for one in ("starting", "running", "stopping")),
        "failed": failed,
        "failure_share": failed / ended if ended else None,
        "cost": _total(teams, "cost"),
        "hours": _total(teams, "instance_hours") or 0.0,
        "lost_cost": _total(teams, "lost_cost"),
        "lost_hours": _total(teams, "lost_hours") or 0.0,
        "saved_cost": _total(savings, "saved_cost"),
        "saved_hours": _total(savings, "saved_hours") or 0.0,
        "running": [_live(row, board.moment) for row in board.parts["running"]],
        "queue": [_live(row, board.moment) for row in board.parts["queue"]],
        "warm_pools": [_live(row, board.moment) for row in board.parts["warm_pools"]],
        "failures": _with_bars(board.parts["failures"], "jobs", (("jobs", "bad"),)),
        "teams": _team_bars(teams),
        "savings": [row | {"bar": _saving_bar(row)} for row in savings],
        "days_picture": _days(board.parts["days"]),
    }


def _live(row: Row, moment: datetime) -> dict[str, Any]:
    """Return a job that goes on, with how long it has, and how it got here."""
    begun = row["created_at"]
    ends_by = row["ends_by"]
    left = ends_by - moment if ends_by is not None else None
    whole = (ends_by - begun).total_seconds() if ends_by is not None and begun is not None else 0.0
    used = (moment - begun).total_seconds() / whole if whole > 0 else None
    bars = phase_bars(row["phases"] or (), moment)
    phases = ", ".join(bar.says for bar in bars)
    return row | {
        "for": max(moment - begun, timedelta()) if begun is not None else None,
        "in_phase": max(moment - row["current_phase_since"], timedelta()) if row["current_phase_since"] else None,
        "left": left,
        "is_over": left is not None and left < timedelta(),
        "is_soon": left is not None and timedelta() <= left <= _SOON,
        "used": used,
        "limit_bar": share_bar(
            f"{100 * used:.0f} % of its time", [Part(min(used, 1.0), "late" if used > 0.9 else "used")], 1.0
        )
        if used is not None
        else "",
        "strip": strip(f"Phases: {phases}", bars) if bars else "",
    }  # fmt: skip


def phase_bars(phases: Sequence[Row], moment: datetime) -> list[Bar]:
    """Return bars of phases as insights have them; one that goes on ends now."""
    return [
        phase_bar(str(one["phase"]), one["started_at"], one["ended_at"], moment)
        for one in phases
        if one["started_at"] is not None
    ]


def phase_bar(name: str, started: datetime, ended: datetime | None, moment: datetime) -> Bar:
    """Return the bar of one phase."""
    end = ended or max(moment, started)
    lasted = duration(end - started)
    says = f"{name} for {lasted}" + ("" if ended is not None else ", goes on")
    return Bar(name, name, seconds_of(started), seconds_of(end), says, goes_on=ended is None)


def _total(rows: Sequence[Row], name: str) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def _with_bars(rows: Sequence[Row], name: str, parts: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    most = max((row[name] or 0 for row in rows), default=0)
    return [
        row | {"bar": share_bar(f"{row[name]}", [Part(row[one] or 0, kind) for one, kind in parts], most)}
        for row in rows
    ]


def _team_bars(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return teams with bars of what they spent: money where prices are given for some, else hours."""
    whole, lost = ("cost", "lost_cost") if any(row["cost"] for row in rows) else ("instance_hours", "lost_hours")
    most = max((row[whole] or 0 for row in rows), default=0)
    found = []
    for row in rows:
        spent, wasted = row[whole] or 0, row[lost] or 0
        says = f"{spent:,.2f}, of which {wasted:,.2f} without a result"
        bar = share_bar(says, [Part(spent - wasted, "spent"), Part(wasted, "lost", f"{wasted:,.2f} lost")], most)
        found.append(row | {"bar": bar})
    return found


def _saving_bar(row: Row) -> str:
    saved, billed = row["saved_hours"] or 0, row["billed_hours"] or 0
    says = f"{saved:,.1f} hours saved, {billed:,.1f} billed"
    return share_bar(says, [Part(billed, "spent"), Part(saved, "saved")], saved + billed)


def _days(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    first, last = rows[0]["day"], rows[-1]["day"]
    by_day = {row["day"]: row for row in rows}
    some, ticks = [], []
    count = (last - first).days + 1
    for number in range(count):
        day = first + timedelta(days=number)
        row = by_day.get(day, {})
        parts = [(word, row.get(word, 0)) for word in ("succeeded", "failed", "cancelled")]
        said = ", ".join(f"{value} {word}" for word, value in parts)
        some.append(Column(tuple(Part(value, word) for word, value in parts), f"{day:%Y-%m-%d}: {said}"))
        if number % max(1, round(count / 5)) == 0:
            ticks.append(Tick(number, f"{day.day} {day:%b}"))
    return columns("Jobs that ended, by day", f"From {first:%Y-%m-%d} to {last:%Y-%m-%d}", some, ticks)
