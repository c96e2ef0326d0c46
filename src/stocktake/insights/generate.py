"""Write `generated/jobs.json`, the facets of all types that are jobs: `python -m stocktake.insights.generate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from stocktake.insights.job_facets import derive_job_facet
from stocktake.insights.job_index import FILE
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types
from stocktake.resource_types.service_types import find_type

if TYPE_CHECKING:
    from stocktake.providers.aws.models import Models

_TIERS = "ABCD"


def make_index(models: Models) -> dict[str, Any]:
    """Return the facets of all types of all tiers, and which models they were derived from."""
    types: dict[str, Any] = {}
    for one in list_types(models, _TIERS):
        model = models.load(one.service)
        found = find_type(model, one.noun)
        facet = None if found is None else derive_job_facet(model, found)
        if facet is not None:
            types[one.name] = {name: value for name, value in asdict(facet).items() if value}
    return {"model_version": models.version, "types": types}


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(orjson.dumps(make_index(open_models(None)), option=orjson.OPT_INDENT_2) + b"\n")
