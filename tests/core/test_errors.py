import pickle
import sys
import traceback
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

import pytest

from posezoo.core import errors


def test_all_packages_that_are_missing_are_named_at_once():
    extras = {"numpy": "run", "absent_1": "video", "absent_2": "video", "absent_3": "run"}
    with pytest.raises(errors.MissingPackageError) as caught:
        errors.require_packages(extras)
    assert str(caught.value) == "absent_1, absent_2, absent_3 are not installed"
    assert caught.value.extra == "video,run"
    errors.require_packages({"numpy": "run"})


def test_what_an_uninstalled_opencv_left_is_no_opencv(monkeypatch):
    remains = module_from_spec(ModuleSpec("cv2", None, is_package=True))
    monkeypatch.setitem(sys.modules, "cv2", remains)
    with pytest.raises(
        errors.MissingPackageError, match="another OpenCV package was uninstalled"
    ) as e:
        errors.import_cv2()
    assert "pip install --force-reinstall --no-deps opencv-python-headless" in e.value.hint


def test_a_traceback_has_the_present_hint_also_after_a_pickle():
    error = errors.PosezooError("no model is called 'ne'", hint="see the list")
    error.hint = "did you mean net?"
    lines = traceback.format_exception(pickle.loads(pickle.dumps(error)))
    assert "posezoo.core.errors.PosezooError: no model is called 'ne'\n" in lines
    if sys.version_info >= (3, 11):
        assert lines[-1] == "hint: did you mean net?\n"


@pytest.mark.parametrize("word", ["x" * 300, "https://reader:secret@example.org/net.onnx"])
def test_a_hint_is_the_same_object_whatever_else_is_on_the_command_line(monkeypatch, word):
    """A plain str would not say which flag it names, and mo.py has no --mo."""
    monkeypatch.setattr(sys, "argv", ["posezoo", word])
    error = errors.PosezooError(f"{word}: is no model", hint=errors.Advice("give --mo", "--mo"))
    assert error.flag == "--mo"
    assert word not in error.problem


def test_no_path_in_a_command_of_a_hint_is_taken_for_a_flag_or_another_command():
    from posezoo.core.errors import shell_word

    assert shell_word("--yes") == "./--yes"
    assert shell_word("a; rm -rf b.onnx") == "'a; rm -rf b.onnx'"
    assert shell_word("models/net.xml") == "models/net.xml"


def test_the_kind_of_an_error_is_a_public_class_also_of_one_that_is_not():
    from posezoo.core.workers.retries import TransientSourceError

    error = TransientSourceError("no answer", hint="try again")
    said = {"kind": "SourceError", "problem": "no answer", "hint": "try again", "temporary": True}
    assert error.to_json() == said
    assert errors.SizeError("too large").to_json()["temporary"] is False
    assert errors.LostCameraError("gone").kind == "LostCameraError"
