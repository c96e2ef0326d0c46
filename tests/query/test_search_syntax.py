"""The grammar of searches: what is parsed comes back from its text, what is not is pointed at."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.query.search.errors import SearchError
from stocktake.query.search.parser import LONGEST, parse, split_key
from stocktake.query.search.syntax import (
    And,
    Between,
    Compares,
    Everything,
    IsSet,
    Matches,
    Node,
    Not,
    Or,
    Span,
    Term,
    Wild,
    to_text,
)

DATA = tomllib.loads((Path(__file__).parent / "search_pairs.toml").read_text(encoding="utf-8"))
ANY, ONE = Wild.ANY, Wild.ONE


def word(*parts: str | Wild) -> Term:
    return Term(None, Matches(parts))


def key(name: str, *parts: str | Wild) -> Term:
    return Term(name, Matches(parts))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        ("  * ", Everything()),
        ("a b", And((word("a"), word("b")))),
        ("a AND b", And((word("a"), word("b")))),
        ("a b OR c", Or((And((word("a"), word("b"))), word("c")))),
        ("a (b OR c) -d", And((word("a"), Or((word("b"), word("c"))), Not(word("d"))))),
        ("NOT a", Not(word("a"))),
        ("--a", Not(Not(word("a")))),
        ("a-b or", And((word("a-b"), word("or")))),
        ("team:vision", key("team", "vision")),
        ("team:vi?io*", key("team", "vi", ONE, "io", ANY)),
        ("-team:*", Not(Term("team", IsSet()))),
        ('tags:"a:b c"', key("tags", "a:b c")),
        ("tags:a:b", key("tags", "a:b")),
        ('"two words"', word("two words")),
        (r"two\ words\*", word("two words*")),
        (r'"a \"b\" \\"', word('a "b" \\')),
        ('"aws:x:y":z', key("aws:x:y", "z")),
        (r"aws\:x:z", key("aws:x", "z")),
        ("arn:aws:sqs:us-east-1:1:q", word("arn:aws:sqs:us-east-1:1:q")),
        ("arn:aws:iam::1:role/*", word("arn:aws:iam::1:role/", ANY)),
        ("arn:arn:aws:iam::1:role/x", key("arn", "arn:aws:iam::1:role/x")),
        ("s3://bucket/x", word("s3://bucket/x")),
        ("10.0.0.1:80", word("10.0.0.1:80")),
        ("n:>5", Term("n", Compares(">", "5"))),
        ("n:<=-1.5", Term("n", Compares("<=", "-1.5"))),
        ("t:>2026-01-01T10:00:00Z", Term("t", Compares(">", "2026-01-01T10:00:00Z"))),
        ("n:[1 TO 5]", Term("n", Between("1", "5"))),
        ('t:{"a b" TO *]', Term("t", Between("a b", None, with_low=False))),
        ("k:(a OR -b)", Or((key("k", "a"), Not(key("k", "b"))))),
        ('k:(x:y ">1" >1)', And((key("k", "x:y"), key("k", ">1"), Term("k", Compares(">", "1"))))),
        ("AND:5 NOTE", And((key("AND", "5"), word("NOTE")))),
        ('"OR"', word("OR")),
        ('k:""', key("k", "")),
        ("@type:gp3", key("@type", "gp3")),
    ],
)
def test_what_a_text_means(text: str, tree: Node) -> None:
    assert parse(text) == tree
    assert parse(to_text(tree)) == tree


def test_terms_know_where_they_stand() -> None:
    node = parse('a team:"x y"')
    assert isinstance(node, And)
    first, second = node.parts
    assert isinstance(first, Term)
    assert isinstance(second, Term)
    assert (first.span, second.key_span, second.span) == (Span(0, 1), Span(2, 7), Span(7, 12))


@pytest.mark.parametrize("case", DATA["error"], ids=lambda case: repr(case["search"]))
def test_an_error_points_at_the_character(case: dict[str, str]) -> None:
    """The mark in the data file stands under what is wrong."""
    with pytest.raises(SearchError) as caught:
        parse(case["search"])
    error = caught.value
    assert error.code == case["code"]
    assert error.position == case["mark"].index("^")
    assert error.end - error.position == case["mark"].count("^")
    assert error.excerpt == f"{case['search']}\n{case['mark']}"
    assert error.hint
    assert error.where == f"character {error.position + 1}"


@pytest.mark.parametrize("case", DATA["half_typed"], ids=lambda case: repr(case["search"]))
def test_what_is_half_typed_is_ended(case: dict[str, str]) -> None:
    with pytest.raises(SearchError):
        parse(case["search"])
    assert parse(case["search"], half_typed=True) == parse(case["means"])


def test_too_long_too_deep_too_many() -> None:
    for text, code in (
        ("a" * (LONGEST + 1), "search_too_long"),
        ("a " * 300, "search_too_long"),
        ("(" * 300, "search_too_deep"),
        ("-" * 300 + "a", "search_too_deep"),
        ("k:(" * 300, "search_too_deep"),
        ("a \ud800", "search_character"),
    ):
        with pytest.raises(SearchError) as caught:
            parse(text, half_typed=True)
        assert caught.value.code == code
        assert len(caught.value.excerpt) < 500


WORDS = 'team : a b* ? ( ) " \\ - > <= = arn:aws:iam::1:role/x s3://b/c * tags:"a:b" é now-7d @x.y TO [ ] \' ; %'
GAPS = (" ", "NOT ", "AND ", "OR ", " OR ", " AND ", "\n", "\t", "{1 TO *]", "[1 TO 5]", "$p1_")
BITS = st.sampled_from([*WORDS.split(), *GAPS])
TEXTS = st.one_of(st.lists(BITS, max_size=14).map("".join), st.text(max_size=40))


@settings(max_examples=1_500, deadline=None)
@given(text=TEXTS, half_typed=st.booleans())
def test_any_text_is_a_search_or_a_pointed_error(text: str, half_typed: bool) -> None:
    found = parsed(text, half_typed=half_typed)
    if isinstance(found, SearchError):
        assert 0 <= found.position <= len(text)
        assert found.message
        assert found.hint
        # While typing, only what no further typing can mend is an error.
        assert not half_typed or found.code in {"search_parenthesis", "search_too_deep"}
    else:
        again = to_text(found)
        assert parse(again) == found
        assert to_text(parse(again)) == again


def parsed(text: str, *, half_typed: bool) -> Node | SearchError:
    try:
        return parse(text, half_typed=half_typed)
    except SearchError as error:
        return error


PARTS = st.lists(st.one_of(st.text(max_size=4), st.just(ANY), st.just(ONE)), min_size=1, max_size=4)


def tidy(parts: list[str | Wild]) -> tuple[str | Wild, ...]:
    """Return parts as the parser makes them: no two texts in a row, no `**`."""
    found: list[str | Wild] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, str) and isinstance(last, str):
            found[-1] = last + part
        elif part and not (part is ANY and last is ANY):
            found.append(part)
    return tuple(found) or ("",)


MATCHES = PARTS.map(tidy).filter(lambda parts: parts != (ANY,)).map(Matches)
BOUNDS = st.one_of(st.none(), st.text(max_size=5))
TESTS = st.one_of(
    MATCHES,
    st.just(IsSet()),
    st.builds(Compares, st.sampled_from([">", ">=", "<", "<="]), st.text(max_size=5)),
    st.builds(Between, BOUNDS, BOUNDS, st.booleans(), st.booleans()),
)
TERMS = st.one_of(st.builds(Term, st.text(min_size=1, max_size=6), TESTS), st.builds(Term, st.none(), MATCHES))


@settings(max_examples=600, deadline=None)
@given(term=TERMS)
def test_every_condition_has_a_text(term: Term) -> None:
    assert parse(to_text(term)) == term


@pytest.mark.parametrize(
    ("text", "found"),
    [("team:vi", ("team", 5)), ("team", None), ('"a b":', ("a b", 6)), ("arn:aws:s", None), ("", None), ('"a', None)],
)
def test_the_key_of_a_half_typed_condition(text: str, found: tuple[str, int] | None) -> None:
    assert split_key(text) == found
