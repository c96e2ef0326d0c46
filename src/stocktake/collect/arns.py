"""ARNs of resources that do not state theirs, made from a template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.collect.paths import first_at, without_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.answers import Scope
    from stocktake.resource_types.spec import ArnTemplate

_PLACE = re.compile(r"\{([^{}]+)\}")


def made_arn(
    template: ArnTemplate, scope: Scope, sources: tuple[object, ...], listing: Mapping[str, object]
) -> str | None:
    """Return a resource's ARN; None where a value is missing.

    Shape: `sources` are the document and the list item, whichever are known, the one that counts more first.
    """
    values: dict[str, object] = {
        "partition": scope.partition,
        "region": scope.asked_region,
        "account_id": scope.account_id,
    }
    for name, path in template.bindings.items():
        values[name] = first_at(sources, path)
    for name, key in template.inherited.items():
        values[name] = listing.get(key)
    names = _PLACE.findall(template.text)
    if any(not isinstance(values.get(name), (str, int)) or values[name] == "" for name in names):
        return None
    made, done = "", 0
    for place in _PLACE.finditer(template.text):
        made += template.text[done : place.start()]
        kind = made.rsplit(":", 1)[-1].rstrip("/")
        made, done = made + str(without_kind(values[place[1]], kind)), place.end()
    return made + template.text[done:]
