from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.resource_types.page import render_description
from stocktake.resource_types.provider_html import Bullets, Definitions, parse_html
from stocktake.resource_types.spec import Field, Kind, ValueType

if TYPE_CHECKING:
    from stocktake.resource_types.provider_html import Part


def markdown(html: str) -> str:
    return render_description(Field("x", ValueType(Kind.STRING), "X", "X", html))


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("plain  text\n of two lines", "plain text of two lines"),
        ("<p>One.</p> <p>Two.</p>", "One. Two."),
        ("<p>One.</p><p>Two.</p>", "One. Two."),
        ("<p>Before.</p> <note> <p>Noted.</p> <p>More.</p> </note> <p>After.</p>", "Before.Noted. More.After."),
        ("<p>Set <code>true</code> or <code> ...</code> .</p>", "Set `true` or `…` ."),
        ("<p>See <a href='https://x/y'>the <i>guide</i></a>.</p>", "See [the guide](https://x/y)."),
        ("<p>See <a>nothing</a>.</p>", "See nothing."),
        ("<p><code> <a href='https://x'>Op</a> </code></p>", "[`Op`](https://x)"),
        ("<p><b>Bold</b> and <i>slanted</i> a &gt;= b</p>", "Bold and slanted a >= b"),
        ("<p>Any of:</p> <ul> <li> <p>a</p> </li> <li>b</li> </ul>", "Any of:\n\n- a\n- b"),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", "- a\n  - b"),
        ("<p>Steps:</p><ol><li>a</li><li>b</li></ol>", "Steps:\n\n1. a\n1. b"),
        ("<p>Any:</p><ul><li>a</li></ul><p>Then.</p>", "Any:\n\n- a\nThen."),
        ("<p>Unclosed <code>tag", "Unclosed tag"),
        ("<p>Stray</code></a></ul></dl></li> ends</p>", "Stray ends"),
    ],
)
def test_markdown_of_html(html: str, expected: str) -> None:
    assert markdown(html).strip("\n") == expected


def test_definition_list() -> None:
    found = parse_html("<dl> <dt>A</dt> <dd> <ul> <li>one</li> </ul> </dd> <dt>B</dt> <dd>two</dd> </dl> <p>End.</p>")
    assert isinstance(found[0], Definitions)
    assert [entry.term for entry in found[0].entries] == ["A", "B"]
    assert isinstance(found[0].entries[0].parts[0], Bullets)
    assert found[0].entries[1].parts == ["two"]
    assert found[1] == "End."


def texts(parts: list[Part]) -> str:
    words = []
    for part in parts:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, Bullets):
            words += [texts(item) for item in part.items]
        else:
            words += [entry.term + texts(entry.parts) for entry in part.entries]
    return "".join(words)


TAGS = ["p", "ul", "li", "ol", "dl", "dt", "dd", "note", "important", "i", "b", "br", "unknown", "div"]
WORDS = st.text(alphabet="abcxyz ", min_size=1, max_size=8)
PIECES = st.one_of(WORDS, st.sampled_from(TAGS).flatmap(lambda tag: st.sampled_from([f"<{tag}>", f"</{tag}>"])))


@given(st.lists(PIECES, max_size=30))
def test_no_text_is_lost_however_broken_the_html(pieces: list[str]) -> None:
    html = "".join(pieces)
    said = re.sub(r"<[^>]*>|\s", "", html)
    assert re.sub(r"\s", "", texts(parse_html(html))) == said
