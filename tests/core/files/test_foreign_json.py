"""JSON from strangers is an object with limits, or a ValueError that says why not."""

import tracemalloc
from contextlib import suppress

import pytest

from posezoo.core.files.foreign_json import _MAX_BYTES, parse_json


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON: line 1, column 1"),
        (b"\xff\xfe\xff", "it is not UTF-8"),
        (b"[1]", "is not a JSON object"),
        (b'{"a": ' * 100_000, "nested too deep"),
        (b'{"a":' + b"[" * 150 + b"]" * 150 + b"}", "nested too deep"),
        (b'{"a": 1e999}', "a number that is too large"),
        (b'{"a": [-Infinity]}', "a number that is too large"),
        (b'{"a": NaN}', "a number that is too large"),
        (b'{"a": %s}' % (b"9" * 400), "a number of 400 digits"),
    ],
)
def test_what_is_no_plausible_object_is_an_error_with_its_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(content)


def test_a_text_that_is_too_large_is_not_parsed():
    with pytest.raises(ValueError, match="more than 67108864 bytes"):
        parse_json(b'{"a": "' + bytes(_MAX_BYTES) + b'"}')


@pytest.mark.parametrize("part", [b"{}", b"[]", b'{"a":{"a":{}}}', b'{"a":1.5,"b":2.5}', b"1.5"])
def test_a_text_of_2_mib_takes_less_than_50_mib_of_memory(part):
    count = (2 << 20) // (len(part) + 1)
    content = b'{"a":[' + b",".join([part] * (count - 2)) + b"]}"
    tracemalloc.start()
    try:
        with suppress(ValueError):
            parse_json(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20


def test_a_text_of_nothing_but_lists_and_objects_is_not_parsed():
    with pytest.raises(ValueError, match="too many lists and objects for its size"):
        parse_json(b'{"a":[' + b"{}," * (1 << 18) + b"{}]}")
    assert len(parse_json(b'{"a":[' + b"{}," * 99_999 + b"{}]}")["a"]) == 100_000


def test_numbers_and_levels_are_taken_up_to_their_limits():
    number = 10**29
    assert parse_json(b'{"a": %d}' % number) == {"a": number}
    with pytest.raises(ValueError, match="a number of 31 digits"):
        parse_json(b'{"a": %d0}' % number)
    # 100 levels: the objects, and the number in the innermost.
    parse_json(b'{"a": ' * 99 + b"1" + b"}" * 99)
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(b'{"a": ' * 100 + b"1" + b"}" * 100)
