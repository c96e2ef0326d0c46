"""The documentation is under test: what there is stands in it, what stands in it is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from sample_catalog import SampleCatalog
from stocktake.collect import http
from stocktake.core import errors
from stocktake.insights.names import named_in
from stocktake.query.connection import open_reading
from stocktake.query.runner import run_query
from stocktake.serve.cli.program import COMMANDS, program
from stocktake.store.catalog import open_catalog, run
from stocktake.store.type_tables import OWN_COLUMNS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "stocktake"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_help_in_the_docs_is_the_help(generator: ModuleType) -> None:
    text = page("commands.md")
    assert generator.missing(text) == []
    assert generator.renew(text) == text, "run `make docs`"


def test_the_derived_columns_and_edges_in_the_docs_are_those_that_there_are(generator: ModuleType) -> None:
    text = page("jobs.md")
    assert generator.renew_jobs(text) == text, "run `make docs`"


def test_every_option_has_a_help_text() -> None:
    context = click.Context(program)
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{name} {parameter.name}"


def test_every_setting_is_documented() -> None:
    named = {name for file in SOURCE.rglob("*.py") for name in re.findall(r"STOCKTAKE_[A-Z_]+", file.read_text())}
    assert named
    assert {name for name in named if f"`{name}`" not in page("settings.md")} == set()


def error_codes() -> set[str]:
    """Return every code that an error in the source can have."""
    code = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
    found = {*http._NEVER_CONNECTED.values(), *http._BROKEN_OFF.values(), "usage", "bug", "interrupted"}
    for file in SOURCE.rglob("*.py"):
        if file.is_relative_to(SOURCE / "demo") and file.name != "neighbors.py":
            continue  # there, codes are the provider's
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            values: list[ast.expr] = []
            if isinstance(node, ast.Call):
                values += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                values += node.args if name in {"_raise_scope", "_raise_credentials"} else []
            elif isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["code"]:
                values.append(node.value)
            elif isinstance(node, ast.Tuple) and file.name == "problems.py":
                values += [one for one in node.elts if isinstance(one, ast.Constant) and "sql_" in str(one.value)]
            for part in (one for value in values for one in ast.walk(value)):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and code.fullmatch(part.value):
                    found.add(part.value)
    return found - {""}


def test_every_error_code_is_documented() -> None:
    codes = error_codes()
    assert {"catalog_locked", "sql_syntax", "denied", "dns"} <= codes
    text = page("errors.md")
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_every_exit_code_is_documented() -> None:
    text = page("errors.md")
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.StocktakeError) and "exit_code" in vars(kind):
            if kind is errors.StocktakeError:
                continue
            assert re.search(rf"^\| {kind.exit_code} \| `{kind.__name__}` \|", text, re.MULTILINE), kind


def test_every_table_and_own_column_is_documented(tmp_path: Path) -> None:
    text = page("catalog.md")
    for name, _ in OWN_COLUMNS:
        assert f"`{name}`" in text
    with open_catalog(tmp_path / "catalog.duckdb") as catalog:
        columns = run(
            catalog.connection,
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main'",
        )
        macros = run(catalog.connection, "SELECT function_name FROM duckdb_functions() WHERE NOT internal")
    assert len(columns) > 30
    for table, column in columns:
        assert f"`{table}`" in text
        assert f"`{column}`" in text, table
    assert all(f"{name}(" in text for (name,) in macros)


def commands(block: str) -> list[str]:
    """Return the command lines of a console block, those over several lines whole, without prompt, pipe and comment."""
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line.removeprefix("$ "))
        elif found and found[-1].count('"') % 2:
            found[-1] += "\n" + line
    return [re.split(r"\s+[#|] ", line)[0] for line in found]


def sql_examples() -> Iterator[tuple[str, str]]:
    for file in PAGES:
        text = file.read_text(encoding="utf-8")
        yield from ((file.name, sql) for sql in blocks(text, "sql"))
        for block in blocks(text, "console"):
            for words in map(shlex.split, commands(block)):
                if words[:2] == ["stocktake", "query"]:
                    yield file.name, words[2]
        yield from ((file.name, sql) for sql in re.findall(r"`stocktake query [\"']([^\"'`<…]+)[\"']`", text))


@pytest.mark.parametrize(("file", "sql"), list(sql_examples()))
def test_every_example_in_sql_runs(sample: SampleCatalog, file: str, sql: str) -> None:
    assert file
    with open_reading(sample.path) as catalog:
        statement = sql.replace("TYPE", "aws_sagemaker_trainingjob")
        list(run_query(catalog, statement, named=named_in(catalog, statement)).rows())


@pytest.mark.parametrize(
    "line", [line for file in PAGES for block in blocks(file.read_text(), "console") for line in commands(block)]
)
def test_every_example_on_a_console_is_a_command(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert words[0] == "stocktake"
    command = program.get_command(click.Context(program), words[1])
    assert command is not None
    command.make_context(words[1], words[2:], parent=click.Context(program))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_resolve(file: Path) -> None:
    for link in LINK.findall(FENCE.sub("", file.read_text(encoding="utf-8"))):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_pictures_are_there_and_small() -> None:
    shown = {
        (file.parent / target).resolve()
        for file in PAGES
        for target in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))
    }
    assert shown
    for picture in shown:
        assert picture.is_relative_to(DOCS / "images"), picture
        assert 1_000 < picture.stat().st_size < 150_000, picture


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_found_from_the_index() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(page("index.md"))}
    assert {file.name for file in DOCS.glob("*.md")} - linked == {"index.md"}


def test_nothing_in_the_docs_points_to_this_machine() -> None:
    for file in PAGES:
        assert not re.search(r"/work/|/root/|/home/\w+/", file.read_text(encoding="utf-8")), file
