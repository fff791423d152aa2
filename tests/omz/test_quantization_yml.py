"""quantization.yml of Open Model Zoo is read beside model.yml."""

import pytest

from fakes.command import assert_quiet_success, posezoo
from posezoo.core.errors import SpecError
from posezoo.core.registry import Registry
from posezoo.omz.quantization_yml import read_quantization_yml

TEXT = """\
compression:
  model_type: transformer
  algorithms:
    - name: DefaultQuantization
      params:
        preset: mixed
        stat_subset_size: 200
"""


def settings(tmp_path, text):
    (tmp_path / "quantization.yml").write_text(text)
    return read_quantization_yml(tmp_path / "quantization.yml")


def test_what_nncf_has_too_is_taken(tmp_path):
    found = settings(tmp_path, TEXT)
    assert (found.preset, found.subset_size, found.model_type) == ("mixed", 200, "transformer")
    assert found.unread == ()


def test_what_it_has_not_is_named(tmp_path):
    text = TEXT.replace("preset: mixed", "preset: accuracy\n        ignored: {scope: [a/conv]}")
    found = settings(tmp_path, text)
    assert found.preset == "mixed"
    assert found.unread == ("preset: accuracy", "ignored.scope: ('a/conv',)")


@pytest.mark.parametrize("text", ["compression: 3", "{}", "compression: {algorithms: [1]}"])
def test_a_file_of_another_form_gives_the_defaults(tmp_path, text):
    assert settings(tmp_path, text).preset == "performance"


def test_a_file_that_is_not_yaml_is_refused_with_its_place(tmp_path):
    with pytest.raises(SpecError, match=r"quantization\.yml:2:1"):
        settings(tmp_path, "compression: [")


def test_all_models_of_open_model_zoo_have_theirs(shared):
    root = shared / "data" / "omz-2021.4" / "models"
    registry = Registry([root])
    for path in sorted(root.glob("public/*/quantization.yml")):
        model = registry.find_single(path.parent.name)
        assert model.quantization and model.quantization.subset_size == 300
    assert registry.find_single("yolo-v4-tf").quantization.preset == "mixed"
    assert registry.find_single("yolo-v3-tf").quantization is None


def test_the_models_are_still_listed(shared):
    root = shared / "data" / "omz-2021.4" / "models"
    assert_quiet_success(posezoo("list", "yolo-v4-tf", "--models_dir", root))
