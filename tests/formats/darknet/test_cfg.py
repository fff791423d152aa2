"""A .cfg file is read to sections, or refused with its line."""

import pytest

from posezoo.core.errors import ConversionError
from posezoo.formats.darknet.files import MAX_BYTES, MAX_LAYERS, read_cfg


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "net.cfg"
        path.write_text(text, "utf-8")
        return read_cfg(path)

    return read


def test_a_list_has_at_most_a_hundred_numbers(read):
    whole = ",".join(["1"] * 100)
    assert read(f"[net]\nsteps={whole}")[0].integers("steps") == [1] * 100
    with pytest.raises(ConversionError, match=r"net\.cfg:3: steps: has 101 numbers, at most 100"):
        read(f"[net]\n\nsteps={whole},1")[0].integers("steps")


@pytest.mark.parametrize("value", ["1,2", "1"])
def test_one_number_is_neither_two_nor_below_the_least(read, value):
    section = read(f"[net]\nstride={value}")[0]
    with pytest.raises(
        ConversionError, match=r"net\.cfg:2: stride: expected one number, at least 2"
    ):
        section.integer("stride", least=2)
    assert read("[net]\nstride=2")[0].integer("stride", least=2) == 2


def test_what_is_missing_has_its_default_or_is_an_error_with_the_section(read):
    section = read("# a comment\n[net]")[0]
    assert section.integer("width", "416") == 416
    with pytest.raises(ConversionError, match=r"net\.cfg:2: \[net\] has no height"):
        section.integer("height")


def test_a_comment_may_follow_a_value(read):
    """In Scaled-YOLOv4 of AlexeyAB."""
    assert read("[route]\nlayers=180 ###P6")[0].integers("layers") == [180]


def test_of_a_value_for_training_that_is_given_twice_the_first_counts(read):
    """In EfficientNet and YOLO9000 of AlexeyAB."""
    assert read("[net]\nbatch=1\nbatch=64")[0].integer("batch") == 1
    with pytest.raises(ConversionError, match=r"net\.cfg:3: 'width' is given twice"):
        read("[net]\nwidth=1\nwidth=64")


def test_a_file_has_at_most_2000_sections(read):
    assert len(read("[net]\n" * MAX_LAYERS)) == MAX_LAYERS
    with pytest.raises(ConversionError, match=r"net\.cfg:2001: more than 2000 layers"):
        read("[net]\n" * (MAX_LAYERS + 1))


def test_a_file_has_at_most_256_kilobytes(read):
    assert len(read("[net]\n".ljust(MAX_BYTES, "#"))) == 1
    with pytest.raises(ConversionError, match="262145 bytes, more than a network's layers need"):
        read("[net]\n".ljust(MAX_BYTES + 1, "#"))
