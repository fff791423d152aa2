"""Single values of a YAML text are changed, and nothing else."""

import pytest

from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import SpecError
from posezoo.lint.accuracy_check_yml import find_node
from posezoo.lint.yaml_edits import YamlEdit, apply_edits

TEXT = """\
# a zoo
files:
- size: 3   # small
  name: 'a.bin'
- {size: 4, name: "b.bin"}
- size: 5"""


def edit(content, *edits):
    """Change values by their keys: (keys, text) or (keys, text, key to add)."""
    tree = parse_yaml(content, "model.yml")
    return apply_edits(
        content, [YamlEdit(find_node(tree, *keys), *words) for keys, *words in edits]
    )


def test_comments_quotes_and_order_stay():
    edits = [
        (("files", 0, "size"), "30"),
        (("files", 0, "name"), "c.bin"),
        (("files", 1, "name"), "d.bin"),
    ]
    expected = TEXT.replace("size: 3 ", "size: 30 ").replace("a.bin", "c.bin")
    assert edit(TEXT.encode(), *edits).decode() == expected.replace("b.bin", "d.bin")


@pytest.mark.parametrize(
    ("keys", "before", "after"),
    [
        (("files", 0, "size"), "size: 3   # small\n", "size: 3   # small\n  md5: x\n"),
        (("files", 0, "name"), "name: 'a.bin'\n", "name: 'a.bin'\n  md5: x\n"),
        (("files", 1, "size"), "{size: 4, ", "{size: 4, md5: x, "),
        (("files", 1, "name"), '"b.bin"}', '"b.bin", md5: x}'),
        (("files", 2, "size"), "size: 5", "size: 5\n  md5: x"),
    ],
)
def test_a_key_is_added_in_the_style_of_its_mapping(keys, before, after):
    assert edit(TEXT.encode(), (keys, "x", "md5")).decode() == TEXT.replace(before, after)


def test_line_ends_of_windows_and_a_byte_order_mark_stay():
    content = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    expected = content.replace(b"size: 3   # small\r\n", b"size: 9   # small\r\n  md5: x\r\n")
    where = ("files", 0, "size")
    assert edit(content, (where, "9"), (where, "x", "md5")) == expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("size: >-\n  3\n  4\n", "5"),  # in several lines
        ('size: "\\x33"\n', "5"),  # an escape
        ("size: 3\n", "4 # not a comment"),  # would be read as another value
        ("{size: 3,\n name: a}\n", "4, name: b"),
    ],
)
def test_what_would_change_more_than_the_value_is_refused(content, text):
    with pytest.raises(SpecError):
        edit(content.encode(), (("size",), text))


def test_a_mapping_in_braces_over_several_lines_is_refused_or_right():
    content = b"file: {size: 3,\n  name: a\n}\n"
    with pytest.raises(SpecError):
        edit(content, (("file", "name"), "x", "md5"))
