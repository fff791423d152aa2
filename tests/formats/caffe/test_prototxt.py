import pytest

from posezoo.core.errors import ConversionError
from posezoo.formats.caffe.prototxt import MAX_DEPTH, read_prototxt


def read(folder, text):
    path = folder / "net.prototxt"
    path.write_text(text)
    return read_prototxt(path)


def test_fields_have_words_numbers_texts_and_messages(tmp_path):
    net = read(
        tmp_path,
        'name: "a # b" # a comment\n'
        "input_dim: 1 input_dim: 3\n"
        "layer { pooling_param < pool: AVE, kernel_size: [3, 5] global_pooling: true; > }\n",
    )
    assert net.text("name") == "a # b"
    assert net.integers("input_dim") == [1, 3]
    pooling = net.message("layer").message("pooling_param")
    assert (pooling.text("pool"), pooling.integers("kernel_size")) == ("AVE", [3, 5])
    assert pooling.flag("global_pooling", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("layer {\n name: 'a'\n", "ends inside a message"),
        ("layer {\n }\n}", "net.prototxt:3: } closes nothing"),
        ("layer {\n name: > }", "net.prototxt:2: unexpected >"),
        ('name: "a', "unexpected"),
        ("layer <\n }", "expected >"),
        ("a {" * (MAX_DEPTH + 2), "is nested too deeply"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, text, problem):
    with pytest.raises(ConversionError, match=r"net\.prototxt:[0-9]+: ") as caught:
        read(tmp_path, text)
    assert problem in caught.value.problem


@pytest.mark.parametrize("value", ["many", "nan", "1e999"])
def test_what_should_be_a_number_and_is_none_is_refused(tmp_path, value):
    net = read(tmp_path, f"\nlayer {{ pad: {value} }}")
    with pytest.raises(
        ConversionError, match=rf"net\.prototxt:2: pad: expected a number, got '{value}'"
    ):
        net.message("layer").integers("pad")


def test_weights_in_place_of_the_text_are_refused(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\x0a\x04tiny\xa2\x06\xff\xfe")
    with pytest.raises(ConversionError, match="is not text"):
        read_prototxt(path)
