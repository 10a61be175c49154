"""JSON from outside is judged by its bytes before it becomes objects."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.json_bounds import MAX_DEPTH, MAX_VALUES, JsonTooLarge, check_json

_MEGABYTE = 1 << 20


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 40 + b"]" * 40,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'[{"a":' * 20 + b"1" + b"}]" * 20,
        b'["' + b"x" * 5000 + b'",' + b"[" * 40 + b"]" * 41,
        b'["\\"' + b"x" * 5000 + b'",' + b"[" * 40 + b"]" * 41,
        b'["\\\\",' + b" " * 5000 + b"[" * 40 + b"]" * 41,
        "[".encode("utf-16") + ("[" * 5000).encode("utf-16-le"),
        ("[" * 40).encode("utf-32-le") * 50,
        b"[" + b"1, " * MAX_VALUES + b"1]",
        b"[" + b'"",' * MAX_VALUES + b'""]',
        b'{"a":{' + b",".join(b'"%d":0' % number for number in range(MAX_VALUES)) + b"}}",
        b" " * 5000 + b"9" * 400,
    ],
)
def test_what_would_cost_much_is_refused(text: bytes) -> None:
    """Depth, number of values and digits are bounded, wherever they stand and however strings around them are written."""
    with pytest.raises(JsonTooLarge):
        check_json(text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"properties": {str(number): "[{," * 680 for number in range(64)}}).encode(),
        json.dumps({"quotes": '"' * 100_000, "slashes": "\\" * 100_000}).encode(),
        json.dumps("[" * 500_000).encode(),
        json.dumps("9" * 500_000).encode(),
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b"not JSON at all",
        b"",
    ],
)
def test_what_is_asked_for_here_passes(text: bytes) -> None:
    """Long texts with brackets, commas, quotes and digits in them are texts; what is no JSON is left to the parser."""
    check_json(text)
    check_json(text.decode())


@pytest.mark.parametrize(
    "text",
    [
        b'"' + b'\\"' * (_MEGABYTE // 2),
        b"[" + b"1," * (_MEGABYTE // 2),
        b"[" * _MEGABYTE,
        b"]" * _MEGABYTE,
        b'["a",' * (_MEGABYTE // 5),
        b'"a"' * (_MEGABYTE // 3),
        b"9" * _MEGABYTE,
        b'"' + b"\\\\" * (_MEGABYTE // 2) + b'"',
        b"1" * 64 + b" " + b"1 " * (_MEGABYTE // 2),
    ],
)
def test_a_megabyte_of_anything_is_judged_at_once(text: bytes) -> None:
    """The scan is linear: no input holds the event loop."""
    began = time.thread_time()
    with suppress(JsonTooLarge):
        check_json(text)
    assert time.thread_time() - began < 0.25


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(alphabet='ab,[]{}"\\9\n€'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='a"[{,\\'), inner, max_size=4),
    max_leaves=30,
)


@given(_json, st.integers(0, MAX_DEPTH + 8), st.booleans())
def test_depth_is_what_the_parser_sees(value: Any, more: int, escaped: bool) -> None:
    """A document passes just when no part of it is deeper than the bound, whatever its strings hold."""
    for _ in range(more):
        value = [value]
    text = json.dumps([value, "x" * 5000], ensure_ascii=escaped)
    try:
        check_json(text)
        passed = True
    except JsonTooLarge:
        passed = False
    assert passed == (_depth(json.loads(text)) <= MAX_DEPTH)
