"""Where output goes and in which form, decided from the options and from what stdout is."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "ndjson", "csv", "parquet", "arrow", "md")
_BY_SUFFIX = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".md": "md",
    ".txt": "table",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A form, and a file or stdout."""

    form: str
    file: Path | None = None

    @property
    def is_binary(self) -> bool:
        """Return whether it is written from Arrow batches, and no text."""
        return self.form in {"parquet", "arrow"}

    @property
    def on_terminal(self) -> bool:
        """Return whether somebody looks at it right now."""
        return self.file is None and sys.stdout.isatty()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open for writing. A file appears whole, under its name, or not at all.

        Raises: UserError where it cannot be written.
        """
        if self.file is None:
            try:
                stream = sys.stdout.buffer
                yield stream
                stream.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _cannot_write("the output", error) from error
            return
        try:
            with _replacing(self.file) as stream:
                yield stream
        except OSError as error:
            raise _cannot_write(str(self.file), error) from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    if path.exists() and not path.is_file():
        # A device or a named pipe has no whole to replace.
        with path.open("wb") as stream:
            yield stream
        return
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def output_options(*forms: str, file: bool = True) -> Callable[[F], F]:
    """Add -o and --output-file; the command gets a `destination`."""

    def decorate(function: F) -> F:
        form = click.option(
            "-o",
            "--output",
            "form",
            type=click.Choice(forms or FORMATS),
            help="The form of the output. Default: table on a terminal, ndjson in a pipe.",
        )
        if not file:
            return form(function)
        to_file = click.option(
            "--output-file",
            "file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write to a file; without -o its suffix decides the form.",
        )
        return form(to_file(function))

    return decorate


def choose_destination(form: str | None, file: Path | None = None) -> Destination:
    """Return where output goes.

    Raises: click.UsageError for what is no text to a terminal.
    """
    if form is None:
        if file is not None:
            form = _BY_SUFFIX.get(file.suffix.lower(), "ndjson")
        else:
            form = "table" if sys.stdout.isatty() else "ndjson"
    destination = Destination(form, file)
    if destination.is_binary and destination.on_terminal:
        raise click.UsageError(f"{form} is no text for a terminal: add --output-file FILE, or redirect the output.")
    return destination


def _cannot_write(what: str, error: OSError) -> UserError:
    return UserError(
        f"{what} cannot be written: {error.strerror or error}",
        code="output_failed",
        hint="Name another file, or free some space; the catalog was only read.",
        where=what,
    )
