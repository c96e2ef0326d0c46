"""Options that say how often to sync, and how."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


class _Span(click.ParamType[timedelta]):
    """A span of time: 5m, 24h, 1h30m."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401 - click's own signature
        """Return the span that a text names."""
        from stocktake.core.errors import UserError
        from stocktake.query.moments import parse_span

        if isinstance(value, timedelta):
            return value
        try:
            return parse_span(str(value))
        except UserError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


def schedule_options(function: F) -> F:
    """Add --every, --runs, --reconcile and --reconcile-every."""
    for option in reversed(
        (
            click.option(
                "--reconcile",
                is_flag=True,
                help="Compare the whole list with all that is held, also where only new and open ones would be read.",
            ),
            click.option(
                "--reconcile-every",
                type=_Span(),
                default="24h",
                show_default=True,
                metavar="SPAN",
                help="Do so at least that often: until then, deletions and edits of what has ended may be unseen.",
            ),
            click.option(
                "--every", type=_Span(), metavar="SPAN", help="Sync again and again, that often, until it is stopped."
            ),
            click.option("--runs", type=click.IntRange(min=1), metavar="N", help="With --every: stop after N syncs."),
        )
    ):
        function = option(function)
    return function
