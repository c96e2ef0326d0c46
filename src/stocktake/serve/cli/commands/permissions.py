"""`stocktake permissions`: the least IAM policy for a sync, and which permissions the last one lacked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from stocktake.serve.cli.destination import Destination, output_options
from stocktake.serve.cli.options import catalog_option, complete_type, debug_option, models_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from stocktake.providers.aws.models import Models
    from stocktake.query.status import ScopeStatus
    from stocktake.resource_types.spec import ResourceType
    from stocktake.serve.cli.invocation import Invocation

_INCOMPLETE = 3


@click.command("permissions", short_help="Print the least IAM policy for a sync, or what the last one lacked.")
@click.option(
    "--type",
    "types",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_type,
    help="A type, a service (ec2) or a pattern (aws_ec2_*); repeat for more. Default: the types that are held.",
)
@click.option("--check", is_flag=True, help="Say which scopes lack what; exits with code 3 where one does.")
@output_options("json", "table", file=False)
@models_option
@catalog_option
@debug_option
@click.pass_obj
def command(invocation: Invocation, types: tuple[str, ...], check: bool, form: str | None, models: Path | None) -> int:
    """Print the least IAM policy for a sync, or what the last one lacked.

    The policy allows every call that a sync of these types makes, and no other. With --check the ledger is asked:
    which accounts, regions and types could not be read for want of which permission, and the policy to add.
    """
    # Imported here: botocore takes time to import, which --help need not wait for.
    from stocktake.providers.aws.models import open_models

    opened = open_models(models)
    if check:
        return _check(invocation, _names(types, opened), Destination(form or "table"))
    from stocktake.resource_types.permissions import needed_actions
    from stocktake.resource_types.registry import load_type

    names = _names(types, opened) or _held_names(invocation)
    actions = needed_actions(_load_all(names, opened), lambda name: load_type(name, opened))
    _write_policy(actions, Destination(form or "json"))
    return 0


def _names(asked: tuple[str, ...], models: Models) -> tuple[str, ...]:
    if not asked:
        return ()
    from stocktake.sync.planning import plan_services

    return tuple(name for plan in plan_services(asked, models) for name in plan.names)


def _held_names(invocation: Invocation) -> tuple[str, ...]:
    """Return the types that the catalog holds or was asked for.

    Raises: UserError where there are none.
    """
    from stocktake.core.errors import UserError
    from stocktake.query.connection import open_reading
    from stocktake.query.status import read_status

    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        names = tuple(dict.fromkeys(scope.type for scope in read_status(catalog).scopes))
    if not names:
        raise UserError(
            f"The catalog {settings.catalog} holds no types yet",
            code="type_not_held",
            hint="Name types, services or patterns with --type: `stocktake permissions --type ec2`.",
            where=str(settings.catalog),
        )
    return names


def _load_all(names: Iterable[str], models: Models) -> list[ResourceType]:
    """Return the types, without keeping a model longer than its service's types take."""
    from stocktake.resource_types.registry import load_type

    found: list[ResourceType] = []
    service = ""
    for name in sorted(names):
        one = load_type(name, models)
        if service and one.service != service:
            models.forget(service)
        service = one.service
        found.append(one)
    return found


def _write_policy(actions: Iterable[str], destination: Destination) -> None:
    from stocktake.query.result import Column, Result
    from stocktake.resource_types.permissions import MANAGED_POLICY_CHARACTERS, policy_document
    from stocktake.serve.cli.rows import write_rows
    from stocktake.serve.telling.values import to_json

    document = policy_document(actions)
    if destination.form == "table":
        rows = [(action.split(":", 1)[0], action) for action in sorted(actions)]
        write_rows(Result((Column("service", "VARCHAR"), Column("action", "VARCHAR")), [rows]), destination, max_rows=0)
    else:
        with destination.open() as stream:
            stream.write(to_json(document, indent=destination.form == "json") + b"\n")
    long = len(to_json(document))
    if long > MANAGED_POLICY_CHARACTERS:
        click.echo(
            f"note: this policy has {long:,} characters; one managed policy takes {MANAGED_POLICY_CHARACTERS:,}. "
            "Split it by its statements, or attach AWS's ReadOnlyAccess.",
            err=True,
        )


def _check(invocation: Invocation, names: Sequence[str], destination: Destination) -> int:
    from stocktake.query.connection import open_reading
    from stocktake.query.status import read_status
    from stocktake.resource_types.permissions import policy_document
    from stocktake.serve.telling.values import to_json

    settings = invocation.settings()
    with open_reading(settings.catalog, settings.lock_wait_seconds) as catalog:
        scopes = [scope for scope in read_status(catalog).scopes if not names or scope.type in names]
    lacking = [scope for scope in scopes if scope.missing_permission]
    actions = {action for scope in lacking for action in _actions(scope)}
    policy = policy_document(actions) if actions else None
    if destination.form == "table":
        _print_check(lacking, policy, scopes=len(scopes))
    else:
        rows = [
            {
                "type": scope.type,
                "account_id": scope.account_id,
                "region": scope.region,
                "status": scope.status,
                "missing": _actions(scope),
                "hint": scope.hint,
            }
            for scope in lacking
        ]
        with destination.open() as stream:
            answer = {"scopes": len(scopes), "lacking": rows, "policy_to_add": policy}
            stream.write(to_json(answer, indent=destination.form == "json") + b"\n")
    return _INCOMPLETE if lacking else 0


def _actions(scope: ScopeStatus) -> list[str]:
    return [action for action in (scope.missing_permission or "").split(", ") if action]


def _print_check(lacking: list[ScopeStatus], policy: dict[str, object] | None, *, scopes: int) -> None:
    from stocktake.serve.cli.tables import make_console, make_table
    from stocktake.serve.telling.readable import count
    from stocktake.serve.telling.values import to_json

    destination = Destination("table")
    with destination.open() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", write_through=True)
        console = make_console(text, on_terminal=destination.on_terminal)
        if policy is None:
            console.print(f"No permission was lacking in {count(scopes, 'scope')}.")
        else:
            table = make_table()
            for header in ("type", "account", "region", "status", "missing"):
                table.add_column(header, overflow="fold")
            for scope in lacking:
                table.add_row(scope.type, scope.account_id, scope.region, scope.status, ", ".join(_actions(scope)))
            console.print(table)
            console.print("\nTo add:", style="bold")
            console.print(to_json(policy, indent=True).decode(), soft_wrap=True)
        text.detach()
