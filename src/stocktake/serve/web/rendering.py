"""Render a page: `render(request, "jobs.html", **context)`.

For those who write pages (templates extend `base.html`, which names its blocks at its top):

- filters: `time` (how long ago, exact in the title), `moment` (date and time), `count` (1,234), `bytes`, `duration` (of
  seconds or a timedelta), `money` (dollars), `percent` (of a share), `text` (one safe line), `json`, `resource_url`,
  `resource_link(label)`, `description` (the provider's HTML, sanitized), `inline` (its inline marks only).
- functions: `url(path, **parameters)` leaves out None, "" and False and repeats lists; `asset("jobs.css")` is the
  address of a static file, with its hash; `has_asset("built/editor.js")`.
- variables: `request`, `visitor` (None before the gate), `csrf` (a token for POST forms, see `macros.csrf_field`),
  `theme` (light, dark or "" for the system's), `now`, `navigation`.
- macros (`{% import "macros.html" as m %}`): `badge(text, kind)`, `notice(kind, message, hint)`, `empty(title, text)`,
  `copy(text, label)`, `facts(pairs)`, `csrf_field(csrf)`, `stale(since)`, `tile(label, value, about)`.
  Kinds are ok, warn, bad, info, mute. Colors in pictures: classes `fill-1`…`fill-8`, `stroke-1`…`stroke-8`.
- scripts: modules of their own, `import { say, ask, openPanel } from "./shared.js"` (not from app.js).
- no style="", no inline script, no on…="" (the content security policy forbids them); data for scripts stands in
  `data-…` attributes or in `<template>`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stocktake.core.clock import SystemClock
from stocktake.serve.telling.descriptions import description_html, inline_html
from stocktake.serve.telling.readable import age, size
from stocktake.serve.telling.values import iso_time, to_json, to_visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from fastapi import Request

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
"""Served at /static."""

NAVIGATION = (
    ("Catalog", "/"),
    ("Jobs", "/jobs"),
    ("Changes", "/changes"),
    ("Policies", "/policies"),
    ("SQL", "/sql"),
    ("Types", "/types"),
    ("Sync", "/sync"),
    ("Settings", "/settings"),
)
_UNDER = {"/resource": "/", "/job": "/jobs"}
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def render(request: Request, name: str, *, status_code: int = 200, **context: object) -> HTMLResponse:
    """Render a template as a response."""
    return HTMLResponse(render_text(request, name, **context), status_code=status_code)


def render_text(request: Request, name: str, **context: object) -> Markup:
    """Render a template as a part of another one."""
    theme = request.cookies.get("theme", "")
    shared = {
        "request": request,
        "visitor": getattr(request.state, "visitor", None),
        "csrf": getattr(request.state, "csrf", ""),
        "theme": theme if theme in {"light", "dark"} else "",
        "now": SystemClock().now(),
        "here": _section(request.url.path),
    }
    text = environment().get_template(name).render(shared | context)
    return Markup(text)  # noqa: S704 - what was filled in is escaped


def _section(path: str) -> str:
    """Return the address in the navigation that a page belongs to."""
    first = "/" + path.strip("/").partition("/")[0]
    return _UNDER.get(first, first)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return what templates are rendered by; autoescape is always on."""
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "time": time_ago,
        "moment": exact_time,
        "count": lambda number: "" if number is None else f"{number:,}",
        "bytes": lambda number: "" if number is None else size(int(number)),
        "duration": duration,
        "money": money,
        "percent": lambda share: "" if share is None else f"{100 * share:.0f} %",
        "text": to_visible,
        "json": lambda value: to_json(value, indent=True).decode(),
        "resource_url": resource_url,
        "resource_link": resource_link,
        "description": lambda text: Markup(description_html(text or "")),  # noqa: S704 - escaped there
        "inline": lambda text: Markup(inline_html(text or "")),  # noqa: S704 - escaped there
    }
    env.globals |= {"url": url, "asset": asset, "has_asset": has_asset, "navigation": NAVIGATION}
    return env


def url(path: str, /, **parameters: object) -> str:
    """Return an address with its parameters; None, "" and False are left out, lists repeat."""
    return with_parameters(path, parameters)


def with_parameters(path: str, parameters: Mapping[str, object]) -> str:
    """Return an address with its parameters, as `url`, where names are no identifiers."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, "1" if one is True else str(one)) for one in values if one not in (None, "", False)]
    return f"{path}?{urlencode(pairs, safe=':/,*()@')}" if pairs else path


def resource_url(key: str, **parameters: object) -> str:
    """Return the address of a resource's page."""
    return url("/resource", key=key, **parameters)


def resource_link(key: str, label: str | None = None) -> Markup:
    """Return a link to a resource's page, which a script opens in the side panel where the page has one."""
    shown = label or key
    return Markup('<a href="{}" data-panel title="{}">{}</a>').format(resource_url(key), key, to_visible(shown))


def time_ago(moment: datetime | None) -> Markup:
    """Return a UTC time as how long ago it was; a dash for none."""
    return _time(moment, age(moment, SystemClock().now()) if moment else "")


def exact_time(moment: datetime | None) -> Markup:
    """Return a UTC time as date and time; a dash for none."""
    return _time(moment, f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "")


def _time(moment: datetime | None, shown: str) -> Markup:
    if moment is None:
        return Markup('<span class="null">—</span>')
    iso = iso_time(moment.astimezone(UTC) if moment.tzinfo else moment)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, shown)


def duration(span: timedelta | float | None) -> str:
    """Return a span as its two largest units: `1 h 4 min`."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if abs(seconds) < 1:
        return f"{seconds * 1_000:.0f} ms" if seconds else "0 s"
    rest = round(abs(seconds))
    parts: list[str] = []
    for length, unit in _SPANS:
        if rest >= length and len(parts) < 2:
            parts.append(f"{rest // length} {unit}")
            rest %= length
        elif parts:
            break
    return ("-" if seconds < 0 else "") + " ".join(parts)


def money(dollars: float | Decimal | None) -> str:
    """Return an amount of US dollars; small ones with four digits, so that they are not nothing."""
    if dollars is None:
        return ""
    amount = abs(float(dollars))
    digits = 4 if 0 < amount < 1 else 2
    return f"{'-' if dollars < 0 else ''}${amount:,.{digits}f}"


def has_asset(name: str) -> bool:
    """Return whether there is a static file; those under built/ are missing where `make web` did not run."""
    return (STATIC / name).is_file()


def asset(name: str) -> str:
    """Return the address of a static file, with its hash so that browsers may keep it."""
    path = STATIC / name
    return f"/static/{name}?v={_digest(path, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=200)
def _digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
