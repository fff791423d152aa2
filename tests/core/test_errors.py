import pickle
import sys
import traceback
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

import pytest

from posezoo.core import errors


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that a wheel of posezoo was installed into, in uv's folder for such ones."""
    environment = tmp_path / "uv" / "archive-v0" / "E7UZtLbYwYbM1xPp"
    environment.mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    (environment / "CACHEDIR.TAG").touch()
    package = environment / "lib" / "python3.11" / "site-packages" / "posezoo"
    monkeypatch.setattr("sys.prefix", str(environment))
    monkeypatch.setattr(errors, "__file__", str(package / "core" / "errors.py"))
    return environment


def test_in_an_environment_that_uvx_made_for_one_command_the_hint_is_the_next_uvx(
    environment,
):
    (environment.parents[1] / "CACHEDIR.TAG").touch()
    assert errors.install_command("run") == 'uvx --from "posezoo[run]" posezoo'


def test_a_tool_of_uv_is_installed_again_with_the_extra(environment):
    (environment / "uv-receipt.toml").touch()
    assert errors.install_command("run") == 'uv tool install "posezoo[run]"'


def test_torch_is_installed_without_cuda_by_each_installer(environment, monkeypatch):
    monkeypatch.setattr(errors, "pip_command", lambda: "pip")
    build = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert errors.install_command("run,torch") == f'pip install {build} "posezoo[run,torch]"'
    monkeypatch.setattr(errors, "pip_command", lambda: "uv pip")
    assert errors.install_command("torch") == 'uv pip install --torch-backend cpu "posezoo[torch]"'
    (environment / "uv-receipt.toml").touch()
    assert errors.install_command("torch") == 'uv tool install --torch-backend cpu "posezoo[torch]"'
    (environment.parents[1] / "CACHEDIR.TAG").touch()
    command = 'uvx --torch-backend cpu --from "posezoo[torch]" posezoo'
    assert errors.install_command("torch") == command


def test_elsewhere_the_hint_is_pips(environment):
    assert errors.install_command("run").endswith('pip install "posezoo[run]"')


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
    text = "".join(traceback.format_exception(pickle.loads(pickle.dumps(error))))
    *_, problem, hint = text.splitlines()
    assert problem == "posezoo.core.errors.PosezooError: no model is called 'ne'"
    assert hint == "hint: did you mean net?"


def test_no_path_in_a_command_of_a_hint_is_taken_for_a_flag_or_another_command():
    from posezoo.core.errors import shell_word

    assert shell_word("--yes") == "./--yes"
    assert shell_word("a; rm -rf b.onnx") == "'a; rm -rf b.onnx'"
    assert shell_word("models/net.xml") == "models/net.xml"
