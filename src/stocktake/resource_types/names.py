"""Other names of types: CloudFormation's, other catalogs', and those that people use."""

from __future__ import annotations

from functools import cache

from stocktake.resource_types.generated import read_names

_PREFIX = "aws"


def plain_name(name: str) -> str:
    """Return a name as names are compared: without punctuation and case."""
    return name.translate(_PUNCTUATION).lower()


_PUNCTUATION = str.maketrans("", "", "_-:. ")


def stands_alone(service: str) -> bool:
    """Return whether a service's nouns are used without its name: `vpc`, `subnet`, `image`."""
    return service in read_names().alone


@cache
def resolve_name(name: str) -> str:
    """Return the one name of a type that is called differently; the name itself where nothing is known of it.

    Case and punctuation never matter. In this order: the name as it is; CloudFormation's (`AWS::EC2::EIP`) or a stated
    alias (`aws_ami`); the service by another of its names (`aws_sfn_state_machine`); the noun alone, where its
    service's nouns are used so (`aws_vpc`) or only one service has it.
    """
    wanted = plain_name(name)
    own = _own_names()
    for candidate in (wanted, f"{_PREFIX}{wanted}"):
        if candidate in own:
            return own[candidate]
    found = read_names().aliases.get(wanted)
    if found is None:
        rest = wanted.removeprefix(_PREFIX)
        found = _by_service(rest) or _by_noun(rest)
    return found or name


@cache
def _own_names() -> dict[str, str]:
    return {plain_name(one.name): one.name for one in read_names().types}


def _by_service(rest: str) -> str | None:
    prefixes = read_names().prefixes
    own = _own_names()
    for end in range(len(rest) - 1, 1, -1):
        for service in prefixes.get(rest[:end], ()):
            found = own.get(f"{_PREFIX}{plain_name(service)}{rest[end:]}")
            if found is not None:
                return found
    return None


def _by_noun(rest: str) -> str | None:
    found = [one for one in read_names().types if plain_name(one.noun) == rest]
    bare = [one for one in found if stands_alone(one.service)]
    return (bare or found)[0].name if bare or len(found) == 1 else None
