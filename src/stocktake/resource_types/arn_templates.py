"""The ARN of a resource that states none, from IAM's template for its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.members import (
    IDENTIFIER_SUFFIXES,
    STRING,
    Names,
    leading_words,
    noun_forms,
    plain,
)
from stocktake.resource_types.shapes import is_structure
from stocktake.resource_types.spec import ArnTemplate

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

_PLACEHOLDER = re.compile(r"\{([^}]+)\}")
_SCOPE = frozenset({"partition", "region", "account_id"})


def fill_template(
    model: ServiceModel,
    template: str,
    noun: str,
    shapes: tuple[str, str],
    listing: dict[str, str],
    keys: tuple[Path, ...],
) -> ArnTemplate | None:
    """Return a template with what each placeholder gets; None where one gets nothing.

    `shapes` are those of document and list item. The last placeholder is the resource's own and may be called
    differently from its member; the others must be called the same.
    """
    names = [name for name in _PLACEHOLDER.findall(template) if name not in _SCOPE]
    bindings: dict[str, Path] = {}
    inherited: dict[str, str] = {}
    for at, name in enumerate(names):
        path = _member(model, name, noun, shapes)
        listed = next((key for key in listing if _same(key, name)), None)
        if path is None and listed is not None:
            inherited[name] = listed
            continue
        if path is None and at == len(names) - 1 and len(keys) == 1:
            path = _called_after_its_beginning(model, name, noun, shapes, keys[0]) or keys[0]
        if path is None or path in bindings.values():
            return None
        bindings[name] = path
    if not bindings:
        return None
    return ArnTemplate(template, bindings, inherited)


def _member(model: ServiceModel, name: str, noun: str, shapes: tuple[str, str]) -> Path | None:
    wanted = plain(name)
    forms = [plain(form) for form in noun_forms(noun)]
    own = [form + suffix for form in forms for suffix in ("", *IDENTIFIER_SUFFIXES)]
    for shape in dict.fromkeys(shapes):
        if not is_structure(model, shape):
            continue
        names = Names(model, shape)
        found = names.find((name,), STRING)
        if found is None and wanted in own:
            suffix = next((wanted[len(form) :] for form in forms if wanted.startswith(form)), "")
            wider = [suffix] if suffix else [*forms, f"{forms[0]}name", "name", f"{forms[0]}id", "id"]
            found = names.find([word for word in wider if word and word != "arn"], STRING)
        if found is not None:
            return (found,)
    return None


def _called_after_its_beginning(
    model: ServiceModel, name: str, noun: str, shapes: tuple[str, str], key: Path
) -> Path | None:
    """Return the member that a placeholder means where the key is of another kind: `KeyName` of a `KeyPair`."""
    ending = next((one for one in IDENTIFIER_SUFFIXES if plain(name) == plain(noun) + one), None)
    if ending is None or plain(key[-1] if key else "").endswith(ending):
        return None
    wanted = [f"{form}{ending}" for form in leading_words(noun)]
    found = (Names(model, shape).find(wanted, STRING) for shape in shapes if is_structure(model, shape))
    return next(((member,) for member in found if member is not None), None)


def _same(key: str, placeholder: str) -> bool:
    """Return whether a listing's member and a placeholder name the same: `cluster` and `ClusterName`."""
    one, other = plain(key), plain(placeholder)
    return one == other or any(
        one + suffix == other or other + suffix == one for suffix in ("name", "id", "identifier")
    )
