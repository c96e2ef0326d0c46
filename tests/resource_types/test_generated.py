"""The shipped index is what derivation gives, and what it gives back is the derived type, whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.generate import FOLDER, generate
from stocktake.resource_types.generated import read_names
from stocktake.resource_types.index import decode_type, encode_type

if TYPE_CHECKING:
    from stocktake.resource_types.spec import ResourceType


def test_making_the_index_again_changes_nothing() -> None:
    made = dict(generate(open_models()))
    assert {path.name for path in FOLDER.glob("*.json")} == set(made)
    stale = [name for name, text in made.items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run `make generate`"


def test_an_entry_gives_the_derived_type_back(everything: list[tuple[ResourceType, Any, Any]]) -> None:
    models, loaded = open_models(), ""
    for one, _, _ in everything:
        if loaded != one.service:
            models.forget(loaded)
            loaded = one.service
        assert decode_type(one.name, encode_type(one), models.load(one.service), one.arn_service) == one


def test_index_is_small_and_holds_no_texts_of_others() -> None:
    assert sum(path.stat().st_size for path in Path(FOLDER).glob("*.json")) <= 3_000_000
    assert not any("Grants permission" in path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json"))


def test_names_are_stamped_with_the_models_they_come_from() -> None:
    assert read_names().model_version == open_models().version
