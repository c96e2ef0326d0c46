"""Which states are final, and what moves when a resource changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stocktake.resource_types.members import ended_member, find_path, modified_member, plain, state_path
from stocktake.resource_types.moving import moving_statuses
from stocktake.resource_types.pagination import plain_path
from stocktake.resource_types.shapes import is_structure, shape_at, type_of
from stocktake.resource_types.spec import LifeCycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stocktake.providers.aws.models import ServiceModel
    from stocktake.resource_types.spec import Path

_RUN_NOUN = re.compile(r"(Job|Execution|Run|Task|Build|Query|Export|Import|Command|Trial|Transcription)$")
_END_WORDS = re.compile(
    r"(completed?|completed_?with.*|succeeded|success|successful|finished|done|fail(ed|ure)|error(ed)?|stopped|cancell?ed|"
    r"aborted|timed_?out|timeout|terminated|deleted|expired|ended|rejected|fault(ed)?|invalid)",
    re.IGNORECASE,
)


def derive_life_cycle(
    model: ServiceModel, noun: str, item_shape: str, document_shape: str, calls: tuple[tuple[str, Path], ...]
) -> tuple[LifeCycle, str]:
    """Return the life cycle, and how its final states are known.

    `calls` are the operations that return the resource, each with the path to it in the answer.
    """
    item = item_shape if is_structure(model, item_shape) else None
    ended = find_path(model, document_shape, noun, ended_member)
    item_ended = None if item is None else find_path(model, item, noun, ended_member)
    waited = list(_waiter_states(model, calls))
    state = waited[0][0] if waited else state_path(model, document_shape, noun)
    item_state = None if item is None else state if item == document_shape else state_path(model, item, noun)
    finals: frozenset[str] = frozenset()
    reason = "no end time and no noun of a run: no state is final"
    if {f"Create{noun}", f"Start{noun}"} <= model.operations.keys():
        reason = "what is created and started apart can be started again: no state is final"
    elif ended or item_ended or _RUN_NOUN.search(noun):
        finals = frozenset(value for path, value in waited if path == state and _END_WORDS.fullmatch(plain(value)))
        reason = "success and failure states of the waiters"
        if not finals and state is not None:
            finals = _ending_words(model, document_shape, state)
            reason = "states of the model whose words say an end"
    return (
        LifeCycle(
            state_path=state,
            item_state_path=item_state,
            final_states=finals,
            item_modified_path=None if item is None else find_path(model, item, noun, modified_member),
            ended_path=ended,
            item_ended_path=item_ended,
            moving=moving_statuses(model, document_shape, state) if finals else (),
        ),
        reason,
    )


def _waiter_states(model: ServiceModel, calls: tuple[tuple[str, Path], ...]) -> Iterator[tuple[Path, str]]:
    """Yield the states that end a wait for the resource, each with its path in the document."""
    results = dict(calls)
    for waiter in model.waiters.values():
        if waiter["operation"] not in results:
            continue
        above = results[waiter["operation"]]
        for acceptor in waiter["acceptors"]:
            if acceptor["matcher"] not in {"path", "pathAll", "pathAny"} or acceptor["state"] == "retry":
                continue
            path = plain_path(str(acceptor["argument"]).replace("[]", ""))
            if path is None or path[: len(above)] != above or not isinstance(acceptor["expected"], str):
                continue
            yield path[len(above) :], acceptor["expected"]


def _ending_words(model: ServiceModel, document_shape: str, state_path: Path) -> frozenset[str]:
    shape = shape_at(model, document_shape, state_path)
    if shape is None or type_of(model, shape) != "string":
        return frozenset()
    return frozenset(value for value in model.shapes[shape].get("enum", ()) if _END_WORDS.fullmatch(plain(value)))
