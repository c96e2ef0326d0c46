"""Write the site: services are shared out to processes, since a type's page takes its model."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import orjson

from stocktake.core.errors import StocktakeError, UserError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types, load_type
from stocktake.serve.site.pages import search_data, service_page, start_page, type_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stocktake.resource_types.generated import TypeName

_ASSETS = ("style.css", "search.js")
_MOST_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What was written."""

    types: int
    services: int
    failed: dict[str, str]
    """Type -> why it has no page."""


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    models: Path | None
    service: str
    types: tuple[TypeName, ...]
    known: frozenset[str]


def build_site(folder: Path, names: Sequence[str] | None, models: Path | None) -> SiteReport:
    """Write the site of these types, or of all with good evidence, into a folder; what is there already is replaced.

    Raises: UserError where the folder cannot be written.
    """
    opened = open_models(models)
    wanted = None if names is None else set(names)
    types = [one for one in list_types(opened) if wanted is None or one.name in wanted]
    services: dict[str, list[TypeName]] = {}
    for one in types:
        services.setdefault(one.service, []).append(one)
    known = frozenset(one.name for one in types)
    tasks = [_Task(folder, models, service, tuple(of_it), known) for service, of_it in services.items()]
    # The largest first, so that no process is left with one of them at the end.
    tasks.sort(key=lambda task: -len(task.types))
    try:
        for part in ("types", "services"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        failed = _run(tasks)
        (folder / "index.html").write_text(start_page(services, opened.version), encoding="utf-8")
        data = orjson.dumps(search_data(types)).replace(b"<", b"\\u003c")
        (folder / "types.js").write_bytes(b"const TYPES = " + data + b";\n")
        for asset in _ASSETS:
            (folder / asset).write_bytes(files("stocktake.serve.site").joinpath("assets", asset).read_bytes())
    except OSError as error:
        raise UserError(
            f"The site cannot be written to {folder}: {error.strerror or error}",
            code="output_failed",
            hint="Name another folder, or free some space.",
            where=str(folder),
        ) from error
    return SiteReport(len(types) - len(failed), len(services), failed)


def _run(tasks: list[_Task]) -> dict[str, str]:
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES, len(tasks))
    failed: dict[str, str] = {}
    if processes <= 1:
        for task in tasks:
            failed |= _write_service(task)
        return failed
    with ProcessPoolExecutor(processes) as pool:
        for some in pool.map(_write_service, tasks):
            failed |= some
    return failed


def _write_service(task: _Task) -> dict[str, str]:
    """Write a service's pages; return why some types have none."""
    models = open_models(task.models)
    failed: dict[str, str] = {}
    for one in task.types:
        try:
            text = type_page(load_type(one.name, models), lambda name: load_type(name, models), task.known)
        except StocktakeError as error:
            failed[one.name] = error.message
        else:
            (task.folder / "types" / f"{one.name}.html").write_text(text, encoding="utf-8")
    page = service_page(task.service, task.types, failed)
    (task.folder / "services" / f"{task.service}.html").write_text(page, encoding="utf-8")
    return failed
