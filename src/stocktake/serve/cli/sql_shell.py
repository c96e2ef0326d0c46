"""A conversation in SQL: lines to statements, statements to answers, and commands of its own."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stocktake.core.errors import StocktakeError, UserError
from stocktake.insights.names import named_in, names_of_ours
from stocktake.query.complete import SqlCompleter
from stocktake.query.connection import open_reading
from stocktake.query.covering import tokens_of, words_of
from stocktake.query.moments import parse_moment
from stocktake.serve.cli.destination import Destination
from stocktake.serve.cli.problems import render_error
from stocktake.serve.cli.rows import write_rows
from stocktake.serve.telling.arrow_rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from stocktake.core.settings import Settings
    from stocktake.query.sandbox import SqlLimits, SqlWorker
    from stocktake.serve.cli.invocation import Invocation

FORMS = ("table", "json", "ndjson", "csv", "md")
_HISTORY_LINES = 2_000
_SHOWN_ROWS = 200
HELP = """
  \\d [NAME]       the tables, or the columns of one
  \\o FORM         answers as table, json, ndjson, csv or md
  \\as-of TIME     everything as it was then; \\as-of now goes back
  \\timing         say how long each statement took, or stop it
  \\? \\q          this help; the end (also Ctrl-D)
  A statement ends with ; and may have several lines. Ctrl-C stops what runs.
""".strip("\n")


class Shell:
    """Statements go to a process of their own, so that any of them can be stopped."""

    def __init__(
        self,
        worker: SqlWorker,
        settings: Settings,
        limits: SqlLimits,
        invocation: Invocation,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._limits = limits
        self._invocation = invocation
        self._now = now
        self._completer = SqlCompleter(self._ask, names_of_ours())
        self.form = "table"
        self.moment: datetime | None = None
        self.timing = False

    def talk(self) -> None:
        """Read lines from the terminal until there are no more."""
        with _Lines(self._completer) as lines:
            click.echo(f"{self._settings.catalog}; \\? for help", err=True)
            held = ""
            while (line := lines.read(held)) is not None:
                if line == "\x03":
                    held = ""
                elif not held and line.strip().startswith("\\"):
                    if not self._obey(line.strip()):
                        return
                else:
                    held = self._run_whole(f"{held}\n{line}" if held else line)

    def _run_whole(self, text: str) -> str:
        """Run the statements of a text that are whole; return the rest."""
        *whole, rest = split_statements(text)
        for statement in whole:
            try:
                self.run(statement)
            except StocktakeError as error:
                render_error(error, self._invocation)
            except KeyboardInterrupt:
                click.echo("stopped", err=True)
        return rest if rest.strip() else ""

    def run_all(self, text: str) -> int:
        """Run all statements of a text up to the first error; return the exit code."""
        for statement in split_statements(text):
            lines = statement.strip().splitlines()
            while lines and lines[0].lstrip().startswith("\\"):
                if not self._obey(lines.pop(0).strip()):
                    return 0
            if rest := "\n".join(lines).strip():
                self.run(rest)
        return 0

    def run(self, sql: str) -> None:
        """Run one statement and write its answer. Raises: StocktakeError; KeyboardInterrupt."""
        if not sql.strip() or not list(tokens_of(sql)):
            return
        began = time.monotonic()
        with self._worker.run(sql, None, self._limits, as_of=self.moment, named=self._named(sql)) as answer:
            shown = _SHOWN_ROWS if self.form == "table" else 0
            write_rows(rows_of(answer.schema, answer), Destination(self.form), max_rows=shown)
        if self.timing:
            click.echo(f"{time.monotonic() - began:.3f} s", err=True)

    def _named(self, sql: str) -> dict[str, str]:
        if not words_of(sql) & set(names_of_ours()):
            return {}
        with open_reading(self._settings.catalog, self._settings.lock_wait_seconds) as catalog:
            return named_in(catalog, sql)

    def _ask(self, sql: str) -> Iterator[tuple[Any, ...]]:
        answer = self._worker.run(sql, None, self._limits, named=self._named(sql))
        yield from rows_of(answer.schema, answer).rows()

    def _obey(self, line: str) -> bool:
        """Do what a line with a backslash says; return whether to go on."""
        word, _, rest = line.partition(" ")
        rest = rest.strip().removesuffix(";")
        try:
            match word:
                case "\\q":
                    return False
                case "\\d":
                    self.run(f"DESCRIBE {rest}" if rest else "SHOW TABLES")
                case "\\o" if rest in FORMS:
                    self.form = rest
                case "\\as-of":
                    self.moment = None if rest in {"", "now"} else parse_moment(rest, self._now())
                case "\\timing":
                    self.timing = not self.timing
                case "\\?":
                    click.echo(HELP, err=True)
                case _:
                    raise UserError(
                        f"{line!r} is no command", code="usage", hint="\\? says which there are.", where=line
                    )
        except StocktakeError as error:
            render_error(error, self._invocation)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
        return True


def split_statements(text: str) -> list[str]:
    """Return the statements of a text, and last what is not ended by a semicolon."""
    data = text.encode()
    parts, begin = [], 0
    for token in tokens_of(text) if text.strip() else ():
        if data[token.start : token.end] == b";":
            parts.append(data[begin : token.start].decode())
            begin = token.end
    return [*parts, data[begin:].decode()]


class _Lines:
    """Lines from a terminal, with history and completion where the interpreter has readline."""

    def __init__(self, completer: SqlCompleter) -> None:
        self._completer = completer
        self._found: list[str] = []
        self._before = ""
        self._file = _history_file()
        self._readline: Any = None

    def __enter__(self) -> _Lines:
        with suppress(ImportError):
            import readline

            self._readline = readline
            with suppress(OSError):
                readline.read_history_file(self._file)
            readline.set_history_length(_HISTORY_LINES)
            readline.set_completer(self._complete)
            readline.set_completer_delims(" \t\n,;()=<>.[]'+-*/")
            libedit = "libedit" in (readline.__doc__ or "")
            readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
        return self

    def __exit__(self, *_: object) -> None:
        if self._readline is not None:
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._readline.write_history_file(self._file)
                # What is asked may name what is asked about.
                self._file.chmod(0o600)

    def read(self, held: str) -> str | None:
        """Return a line after those that are held; None at the end, ^C where it was given up."""
        self._before = f"{held}\n" if held else ""
        try:
            return input("      ...> " if held else "stocktake> ")
        except EOFError:
            click.echo()
            return None
        except KeyboardInterrupt:
            click.echo("^C")
            return "\x03"

    def _complete(self, _: str, state: int) -> str | None:
        if state == 0:
            line, at = self._readline.get_line_buffer(), self._readline.get_endidx()
            try:
                found = self._completer.complete(self._before + line, len(self._before) + at)
                self._found = [item.text for item in found.items]
            except StocktakeError:
                self._found = []
            begun = line[self._readline.get_begidx() : at].lower()
            self._found = [text for text in self._found if text.lower().startswith(begun)]
        return self._found[state] if state < len(self._found) else None


def _history_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("stocktake", appauthor=False)) / "sql_history"
