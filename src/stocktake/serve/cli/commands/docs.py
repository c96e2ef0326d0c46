"""`stocktake docs`: the reference of all types as a static site."""

from __future__ import annotations

from pathlib import Path

import click

from stocktake.serve.cli.options import complete_type, debug_option, models_option


@click.group("docs", short_help="Write the reference of all types as a static site.")
@debug_option
def command() -> None:
    """Write the reference of all types as a static site."""


@command.command("build", short_help="Write the site into a folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--type",
    "types",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_type,
    help="A type, a service (ec2) or a pattern (aws_ec2_*); repeat for more. Default: all types.",
)
@models_option
@debug_option
def build(folder: Path, types: tuple[str, ...], models: Path | None) -> None:
    """Write the site into a folder.

    DIR is made where it is missing; pages that are there already are replaced. Nothing is called: everything comes
    from the provider's own API models.
    """
    # Imported here: botocore takes time to import, which --help need not wait for.
    from stocktake.providers.aws.models import open_models
    from stocktake.serve.site.build import build_site
    from stocktake.sync.planning import plan_services

    names = [name for plan in plan_services(types, open_models(models)) for name in plan.names] if types else None
    report = build_site(folder, names, models)
    click.echo(f"{report.types:,} types of {report.services:,} services: {folder / 'index.html'}")
    for name, reason in sorted(report.failed.items()):
        click.echo(f"left out: {name}: {reason}", err=True)
