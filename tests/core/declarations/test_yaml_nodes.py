"""YAML that remembers where everything stands, and refuses what attacks or confuses."""

import pytest

from posezoo.core.declarations.yaml_nodes import MAX_BYTES, MAX_DEPTH, parse_yaml
from posezoo.core.errors import SpecError


def refused(content):
    with pytest.raises(SpecError) as caught:
        parse_yaml(content, "model.yml")
    assert "\n" not in caught.value.problem
    return caught.value


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        (b"a: &x [1]\nb: *x\n", (1, 4), "anchors and aliases"),
        (b"a: !!python/object/apply:os.system ['id']\n", (1, 4), "tags"),
        (b"a: 1\nb: 2\na: 3\n", (3, 1), "given twice, first in line 1"),
        (b"a: 1\n---\nb: 1\n", (2, 1), "second document"),
        (b"? [a]\n: 1\n", (1, 3), "a key must be text"),
        (b"a:\n\t- b\n", (2, 1), "not YAML"),
        (b"a: [1, 2\n", (2, 1), "not YAML"),
        (b"\xff\xfea\x00", (1, 1), "UTF-16"),
        (b"a: 1\nb: \xe9\n", (2, 4), "not UTF-8"),
        (b"", (1, 1), "is empty"),
        (b"# only a comment\n", (1, 1), "is empty"),
        (b"a: \x00", (1, 1), "not YAML"),
        (b"a: " + b"x" * MAX_BYTES, (1, 1), "larger than"),
        (b"[" * (MAX_DEPTH + 1), (1, MAX_DEPTH + 1), "nested deeper"),
    ],
)
def test_what_attacks_or_confuses_is_refused_with_its_place(content, place, problem):
    error = refused(content)
    assert problem in error.problem
    assert (error.line, error.column) == place


def test_a_byte_order_mark_and_windows_line_ends_are_accepted():
    node = parse_yaml(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n", "model.yml")
    assert node.to_plain() == {"a": 1, "b": ("x",)}
    assert (node.line, node.column) == (1, 1)


@pytest.mark.parametrize(
    ("yaml", "call", "problem"),
    [
        ("v: ~", lambda node: node.text(), "expected text, got nothing"),
        ("v:", lambda node: node.integer(minimum=0), "expected a whole number, got nothing"),
        ("v: [1]", lambda node: node.text(), "expected text, got a list"),
        ("v: {a: 1}", lambda node: node.as_list(), "expected a list, got a mapping"),
        ("v: 1.5", lambda node: node.integer(minimum=0), "expected a whole number, got '1.5'"),
        ("v: -1", lambda node: node.integer(minimum=0), "expected a whole number from 0 to"),
        (
            "v: 99999999999999999999",
            lambda node: node.integer(minimum=0),
            "expected a whole number",
        ),
        ("v: .inf", lambda node: node.number(), "expected a number, got '.inf'"),
        ("v: yes", lambda node: node.boolean(), "expected true or false, got 'yes'"),
        (
            "v: tflit",
            lambda node: node.choice(["tflite", "onnx"]),
            "expected one of tflite, onnx, got 'tflit'",
        ),
        ('v: "a\\x1b[2J"', lambda node: node.text(), "contains control or invisible characters"),
        ('v: "\\u202egnp"', lambda node: node.integer(minimum=0), r"got '\u202egnp'"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_as_what_it_is(yaml, call, problem):
    with pytest.raises(SpecError) as caught:
        call(parse_yaml(yaml.encode(), "m").as_mapping()["v"])
    assert problem in caught.value.problem


def test_numbers_are_read_as_numbers_and_versions_stay_text():
    fields = parse_yaml(
        b"a: 127.5\nb: 1e-3\nc: 0.10\nd: '7'\ne: true\nf: 1.0.2\n", "m"
    ).as_mapping()
    assert fields["a"].number() == 127.5
    assert fields["b"].number() == 1e-3
    assert fields["c"].text() == "0.10"
    assert [fields[key].scalar() for key in "abdef"] == [127.5, 1e-3, 7, True, "1.0.2"]
