"""Our CBOR against botocore's own: its parser reads what we write, we read what its serializer writes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.parsers import RpcV2CBORParser
from hypothesis import given
from hypothesis import strategies as st

from stocktake.demo.cbor import decode, encode

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)
PRESENT = st.recursive(  # botocore's parser leaves out entries of a map that are null
    SCALARS.filter(lambda value: value is not None),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def read_by_botocore(raw: bytes) -> Any:
    parser = RpcV2CBORParser()
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(raw))


@given(VALUES)
def test_we_read_what_we_write(value: Any) -> None:
    assert decode(encode(value)) == value


@given(PRESENT)
def test_botocore_reads_what_we_write(value: Any) -> None:
    assert read_by_botocore(encode(value)) == value


@given(st.binary())
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    try:
        decode(raw)
    except ValueError:
        return
    except RecursionError:
        pytest.fail("too deep")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\x9f\x01\x02\xff", [1, 2]),
        (b"\xbf\x61a\x01\xff", {"a": 1}),
        (b"\x7f\x61a\x61b\xff", "ab"),
        (b"\x5f\x41a\x41b\xff", b"ab"),
        (b"\xf9\x3c\x00", 1.0),
        (b"\xfa\x3f\x80\x00\x00", 1.0),
        (b"\xc1\x01", 1),
    ],
)
def test_other_forms_are_read(raw: bytes, value: Any) -> None:
    assert decode(raw) == value


def test_what_cbor_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        encode({1, 2})
    with pytest.raises(ValueError, match="64 bits"):
        encode(2**64)
