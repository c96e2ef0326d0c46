"""Renew what is generated in docs/: the help of every command, derived columns, edges; between their marks."""  # noqa: INP001 - a script beside the pages that it makes

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from stocktake.insights.column_sets import column_sets
from stocktake.insights.edge_rules import edge_rules
from stocktake.serve.cli.program import COMMANDS, program

PAGE = Path(__file__).parent / "commands.md"
JOBS_PAGE = Path(__file__).parent / "jobs.md"
_BLOCK = re.compile(r"(<!-- help: (?P<name>[a-z ]+) -->\n).*?(<!-- end of help -->)", re.DOTALL)
_WIDTH = 100


def render_help(name: str) -> str:
    """Return a command's help as the terminal shows it; `stocktake` is the program itself."""
    root = click.Context(program, info_name="stocktake", terminal_width=_WIDTH, max_content_width=_WIDTH)
    root.help_option_names = program.context_settings["help_option_names"]
    if name == "stocktake":
        return program.get_help(root)
    *groups, last = name.removeprefix("stocktake ").split()
    context, command = root, program.get_command(root, (groups or [last])[0])
    if groups and isinstance(command, click.Group):
        context = click.Context(command, info_name=command.name, parent=root)
        command = command.get_command(context, last)
    if command is None:
        raise SystemExit(f"{PAGE}: there is no command {name!r}")
    context = click.Context(
        command,
        info_name=command.name,
        parent=context,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=root.help_option_names,
    )
    return command.get_help(context)


def renew(text: str) -> str:
    """Return the page with every block of help as it is now."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}```text\n{render_help(found['name']).rstrip()}\n```\n{found[3]}"

    return _BLOCK.sub(block, text)


def missing(text: str) -> list[str]:
    """Return the commands that the page has no block for."""
    named = {found["name"] for found in _BLOCK.finditer(text)}
    return [name for name in ("stocktake", *(f"stocktake {one}" for one in COMMANDS)) if name not in named]


def renew_jobs(text: str) -> str:
    """Return the page on jobs with its derived columns and edges as they are declared."""
    columns = [
        f"| `{column.name}` | {_kind(column.type)} | {column.about} |"
        for one in column_sets().values()
        for column in one.shown
    ]
    edges = [f"| `{rule.name}` | {rule.flow} | {rule.about} |" for rules in edge_rules().values() for rule in rules]
    for mark, head, rows in (
        ("columns", "| Column | Type | |\n|---|---|---|", columns),
        ("edges", "| Edge | | |\n|---|---|---|", edges),
    ):
        before, _, rest = text.partition(f"<!-- {mark} -->")
        after = rest.partition(f"<!-- end of {mark} -->")[2]
        table = "\n".join([head, *rows])
        text = f"{before}<!-- {mark} -->\n{table}\n<!-- end of {mark} -->{after}"
    return text


def _kind(sql_type: str) -> str:
    """Return a type in a word; structures are described in the column's own text."""
    if sql_type.startswith("STRUCT"):
        return "list of structures"
    return f"list of {sql_type[:-2]}" if sql_type.endswith("[]") else sql_type


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    if absent := missing(page):
        sys.exit(f"{PAGE}: no block of help for {', '.join(absent)}")
    PAGE.write_text(renew(page), encoding="utf-8")
    JOBS_PAGE.write_text(renew_jobs(JOBS_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
