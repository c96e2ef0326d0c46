"""The summary of a long sync: every gap by name, the same cause only once."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from stocktake.serve.cli.gap_groups import group_by_cause, told
from stocktake.store.ledger import Coverage
from stocktake.sync import SyncReport

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = "500: an error page"
UNDER = "aws_a_one, under which these are listed, could not be listed: "
AGAIN = "The next sync tries again."


def scope(name: str, status: str = "complete", reason: str = "", region: str = "us-east-1", **more: Any) -> Coverage:
    return Coverage("1", region, f"aws_{name}", T0, status=status, reason=reason, **more)


def text(scopes: list[Coverage], width: int = 200) -> str:
    return "\n".join(line for group in group_by_cause(scopes) for line in told(group, scopes, width))


def test_the_same_cause_is_told_once_whatever_the_operation_is_called() -> None:
    scopes = [
        scope("a_one", "failed", f"ListOnes failed (3 times): {PAGE}", hint=AGAIN),
        scope("a_two", "failed", f"{UNDER}ListOnes failed: {PAGE}", hint=AGAIN),
        scope("b_three", "failed", "ListThrees failed: 404 (status 404)"),
        scope("b_four"),
    ]
    assert text(scopes).splitlines() == [
        f"gap: 2 scopes failed: {PAGE}",
        "  aws_a_one, aws_a_two",
        f"  next: {AGAIN}",
        "gap: 1 scope failed: 404 (status 404)",
        "  aws_b_three",
    ]


def test_a_pattern_stands_for_a_service_of_which_nothing_was_read() -> None:
    failed = [scope(f"a_{name}", "failed", PAGE) for name in ("x", "y", "z")]
    assert "  aws_a_* (3)" in text(failed).splitlines()
    assert "  aws_a_x, aws_a_y, aws_a_z" in text([*failed, scope("a_whole")]).splitlines()


def test_denials_of_many_actions_are_one_gap_with_all_permissions() -> None:
    scopes = [
        scope(f"a_{name}", "denied", f"List{name} is denied: User arn:x is not authorized to perform: a:List{name} on "
              f"resource: arn:aws:a:::{name}", missing_permission=f"a:List{name}", hint=f"Allow a:List{name}.")
        for name in ("one", "two")
    ]  # fmt: skip
    assert text(scopes).splitlines() == [
        "gap: 2 scopes denied: User arn:x is not authorized to perform: …",
        "  aws_a_one, aws_a_two",
        "  missing permission: a:Listone, a:Listtwo",
    ]


def test_places_are_told_where_there_are_several_and_the_same_names_together() -> None:
    scopes = [scope("a_x", "failed", PAGE, region=region) for region in ("eu-west-1", "us-east-1")]
    scopes += [scope("a_y", "failed", PAGE, region="us-east-1"), scope("a_z", region="global")]
    assert text(scopes).splitlines()[1:] == ["  in 1 eu-west-1: aws_a_x", "  in 1 us-east-1: aws_a_x, aws_a_y"]
    assert text([*scopes[:2], scope("a_z", region="global")]).splitlines()[1:] == [
        "  in 1 eu-west-1, 1 us-east-1: aws_a_x"
    ]


def test_what_is_no_gap_comes_after_the_gaps_under_its_own_word() -> None:
    scopes = [
        scope("a_x", "unsupported", "ListXs failed: UnknownOperation"),
        scope("a_y", reason="the tagging API names no resource of this type"),
        scope("a_z", tags_status="denied", reason="tags could not be read: no"),
    ]
    assert [line for line in text(scopes).splitlines() if not line.startswith(" ")] == [
        "gap: 1 scope tags denied: tags could not be read: no",
        "note: 1 scope: the tagging API names no resource of this type",
        "unsupported: 1 scope: UnknownOperation",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_a_long_sync_names_every_scope_that_it_could_not_read(
    width: int, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = [scope(f"s{n % 40}_t{n}", "failed", f"List{n} failed: {PAGE}") for n in range(100)]
    scopes = [*failed, *(scope(f"s{n}_whole") for n in range(40))]
    named = set(re.findall(r"aws_\w+", text(scopes, width)))
    assert named == {one.type for one in failed}
    assert max(map(len, text(scopes, width).splitlines())) <= width
    monkeypatch.setattr("stocktake.sync.run_sync", lambda *_: SyncReport(1, scopes, 1, 1.0))
    result = run("sync")
    assert result.exit_code == 3
    assert all(one.type in result.stdout for one in failed)
    assert "140 scopes: 100 failed, 40 complete; 40 of the complete ones are empty and not shown" in result.stdout
