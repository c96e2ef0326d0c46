"""The facets of jobs by type: from the generated index, or derived where the index does not know the type."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from stocktake.core.errors import UserError
from stocktake.insights.job_facets import JobFacet, derive_job_facet
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type

FILE = Path(__file__).with_name("generated") / "jobs.json"
_MANY = ("parent", "principal", "compute", "reason", "late_words")


@cache
def known_facets() -> dict[str, JobFacet]:
    """Return the facets of the index."""
    return {name: read_facet(entry) for name, entry in _stated()["types"].items()}


def facet_of(type_name: str, model_version: str) -> JobFacet | None:
    """Return a type's facet; None for a type that is no job.

    `model_version`: the models that the catalog's table of the type was made from. Where the index was made from
    others and does not have the type, the installed models decide.
    """
    known = known_facets().get(type_name)
    if known is not None or model_version == _stated()["model_version"]:
        return known
    return _derived(type_name)


@cache
def _derived(type_name: str) -> JobFacet | None:
    models = open_models(None)
    try:
        resource_type = load_type(type_name, models)
    except UserError:
        return None  # the installed models have no such type any more
    return derive_job_facet(models.load(resource_type.service), resource_type)


@cache
def _stated() -> dict[str, Any]:
    stated: dict[str, Any] = orjson.loads(FILE.read_bytes())
    return stated


def read_facet(entry: dict[str, Any]) -> JobFacet:
    """Return a facet as the index has it."""
    many = {name: tuple(entry.get(name, ())) for name in _MANY}
    return JobFacet(**{**entry, **many})
