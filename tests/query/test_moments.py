"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.core.errors import UserError
from stocktake.query.moments import parse_moment

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", datetime(2026, 3, 10, tzinfo=UTC)),
        (" Yesterday ", datetime(2026, 3, 9, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00:05.5", datetime(2026, 1, 31, 12, 0, 5, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("-2h", NOW - timedelta(hours=2)),
        ("2 hours ago", NOW - timedelta(hours=2)),
        ("90 min", NOW - timedelta(minutes=90)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("1 week ago", NOW - timedelta(weeks=1)),
        ("1h30m ago", NOW - timedelta(hours=1, minutes=30)),
        ("1.5h", NOW - timedelta(minutes=90)),
    ],
)
def test_forms(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "2 fortnights ago", "2026-13-01", "12", "ago", "99999999 weeks ago", "h"])
def test_what_names_no_moment(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_moment(text, NOW)
    assert caught.value.code == "bad_moment"


@pytest.mark.parametrize("text", ["2026-03-11", "2999-01-01T00:00:00Z"])
def test_the_future_is_not_known(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_moment(text, NOW)
    assert caught.value.code == "future_moment"


@given(st.datetimes(max_value=datetime(2026, 3, 10)))  # noqa: DTZ001 - hypothesis wants it naive
def test_what_we_print_is_read_back(moment: datetime) -> None:
    assert parse_moment(moment.isoformat() + "Z", NOW) == moment.replace(tzinfo=UTC)


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_a_user_error(text: str) -> None:
    try:
        assert parse_moment(text, NOW) <= NOW
    except UserError as error:
        assert error.hint  # noqa: PT017 - both outcomes are fine; only other exceptions are not
