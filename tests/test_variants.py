"""A variant from its published file to its IR, by the tag alone; and what pins it from its first use on."""

import pytest

import posezoo
from fakes.network import HEIGHT, OUTPUT_SHAPE, OUTPUTS, WIDTH, network
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.errors import PosezooError, UnknownModelError, UnpinnedFileError

LOOSE = {"size": "unknown", "max_size": 1_000_000, "checksum": "unknown"}


@pytest.fixture
def places(tmp_path):
    """A registry of a model with two variants, of which the second has no pin, and where all else goes."""
    (tmp_path / "net.tflite").write_bytes(network("tflite"))
    file = declared_file(tmp_path / "net.tflite")
    content = model_yml(
        files=None,
        inputs=[{"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC"}],
        outputs=[{"name": name, "shape": list(OUTPUT_SHAPE)} for name in OUTPUTS],
        variants={"one": {"files": [file]}, "two": {"files": [{**file, **LOOSE}]}},
    )
    write_model(tmp_path / "models", "net", content)
    kinds = {
        "models_dir": "models",
        "weights_dir": "out",
        "cache_dir": "cache",
        "lock": "posezoo.lock",
    }
    return {name: tmp_path / place for name, place in kinds.items()}


def test_a_tag_gets_its_own_folder_and_the_models_file_name(places):
    irs = posezoo.get("net", tag="one", **places)
    assert irs == posezoo.get("net", **places) == posezoo.get("net@one", **places)
    assert irs == {"net": places["weights_dir"] / "public" / "net" / "FP16" / "net.xml"}
    with pytest.raises(UnknownModelError, match="net has no variant 'three'"):
        posezoo.get("net", tag="three", **places)


def test_a_file_without_a_pin_is_converted_once_its_first_use_is_recorded(places):
    with pytest.raises(UnpinnedFileError, match="no checksum: the publisher states none"):
        posezoo.get("net", tag="two", **places)
    irs = posezoo.get("net", tag="two", trust_on_first_use=True, **places)
    assert irs == {"net": places["weights_dir"] / "public" / "net@two" / "FP16" / "net.xml"}
    assert irs["net"].is_file()
    assert posezoo.get("net", tag="two", **places) == irs


def test_without_its_lock_an_ir_is_not_made_again(places):
    irs = posezoo.get("net", tag="two", trust_on_first_use=True, **places)
    places["lock"].unlink()
    irs["net"].unlink()
    with pytest.raises(UnpinnedFileError, match="no checksum: the publisher states none"):
        posezoo.get("net", tag="two", **places)


def test_a_conversion_says_that_nothing_pins_its_original(places, capsys):
    from posezoo.cli.main import main

    posezoo.get("net", tag="two", trust_on_first_use=True, **places)
    folders = ["--models_dir", str(places["models_dir"]), "-o", str(places["weights_dir"])]
    assert (
        main(["convert", "net@two", "--force", *folders, "--lock", str(places["lock"]), "-q"]) == 0
    )
    assert (
        main(["convert", "net@two", "--force", *folders, "--lock", f"{places['lock']}.none", "-q"])
        == 1
    )
    assert "its expected content is unknown (no checksum)" in capsys.readouterr().err


def test_a_bad_lock_is_one_line(places):
    places["lock"].write_text("{")
    with pytest.raises(PosezooError, match=r"posezoo\.lock:1: is not an entry"):
        posezoo.get("net", tag="two", **places)
