"""Options of what reads the cloud: which accounts, how fast; and the request that they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stocktake.core.settings import Settings
    from stocktake.sync import SyncRequest

F = TypeVar("F", bound="Callable[..., Any]")

_ACCOUNT_OPTIONS = (
    click.option(
        "--organization",
        is_flag=True,
        help="Read every active account of your organization, by the role of --assume-role in each.",
    ),
    click.option(
        "--account",
        "accounts",
        multiple=True,
        metavar="ID",
        help="Read this account, by the role of --assume-role in it; repeat for more.",
    ),
    click.option(
        "--assume-role",
        metavar="ROLE",
        default="",
        help="The role to assume in each account: its name, or an ARN with {partition} and {account_id}. "
        "Default: StocktakeReader.",
    ),
    click.option(
        "--external-id", metavar="TEXT", default="", help="The external id that the roles' trust policies ask for."
    ),
    click.option(
        "--role-session-name",
        metavar="NAME",
        default="stocktake",
        show_default=True,
        help="What the accounts' logs call this program.",
    ),
)
_LIMIT_OPTIONS = (
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="LIMIT",
        envvar="STOCKTAKE_LIMITS",
        help="The most that an operation is called in an account and region, as sagemaker:DescribeTrainingJob=10/s or "
        "ec2:*=5/s; repeat for more.",
    ),
    click.option(
        "--max-calls-per-second",
        type=click.FloatRange(min=0.01),
        metavar="NUMBER",
        envvar="STOCKTAKE_MAX_CALLS_PER_SECOND",
        help="The most calls a second in one account, over all regions and operations. Default: no such cap.",
    ),
    click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(min=0.1, max=3_600),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        envvar="STOCKTAKE_TIMEOUT_SECONDS",
        help="How long to wait for an answer.",
    ),
)


def account_options(function: F) -> F:
    """Add the options that say which accounts are read."""
    for option in reversed(_ACCOUNT_OPTIONS):
        function = option(function)
    return function


def limit_options(function: F) -> F:
    """Add the options that say how fast they are read."""
    for option in reversed(_LIMIT_OPTIONS):
        function = option(function)
    return function


def collect_request(
    settings: Settings,
    *,
    profiles: tuple[str, ...],
    limits: Sequence[str],
    timeout_seconds: float,
    **given: Any,  # noqa: ANN401 - options that are called as the request's own members
) -> SyncRequest:
    """Return what is to be read, and how, as the options say. Raises: UserError for a limit that means nothing."""
    # Imported here: botocore, pyarrow and the database's driver take 450 ms, which --help need not wait for.
    from stocktake.collect.limits import parse_limit
    from stocktake.sync import SyncRequest

    return SyncRequest(
        catalog=settings.catalog,
        lock_wait_seconds=settings.lock_wait_seconds,
        profiles=profiles or (None,),
        limits=tuple(parse_limit(text) for text in limits),
        read_timeout_seconds=timeout_seconds,
        **given,
    )
