"""The command line: parse, call one function, render."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the `stocktake` program with the process's arguments, and exit with its code."""
    try:
        from stocktake.serve.cli.problems import render_bug
        from stocktake.serve.cli.program import program

        if "--debug" not in sys.argv:
            # Anything that is no error of ours is a bug: said in a line, with what to do, and exit code 1.
            sys.excepthook = render_bug
        program.main(prog_name="stocktake")
    except KeyboardInterrupt:
        # Before a command began, or after it ended.
        sys.exit(130)
