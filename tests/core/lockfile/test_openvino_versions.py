"""What a lock answers under the lowest, a middle and the newest OpenVINO."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from fakes.checkout import ONLINE
from fakes.command import posezoo_process
from fakes.network import network
from fakes.zoo import declared_file, onnx_yml, write_model

pytestmark = pytest.mark.release

#: The lowest version of setup.cfg, and one that does not write its name into an IR, either.
LOWEST, MIDDLE = "2025.4.0", "2026.1.0"
NEWEST = version("openvino")


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The folders of the packages, by version; the newest is the installed one."""
    folders = {NEWEST: None}
    for name in (LOWEST, MIDDLE):
        folders[name] = tmp_path_factory.mktemp(name)
        words = ("install", "--quiet", "--no-deps", "--target", folders[name], f"openvino=={name}")
        ended = subprocess.run(
            [sys.executable, "-m", "pip", *words], env=ONLINE, capture_output=True
        )
        if ended.returncode:
            pytest.skip("no package index has another OpenVINO")
    return folders


@pytest.fixture
def run(versions, tmp_path):
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(tmp_path / "net.onnx")))

    def run(openvino, verb, *words):
        folder = versions[openvino]
        environ = {"PYTHONPATH": str(folder)} if folder else {}
        return posezoo_process(
            verb, "net", *words, "--models_dir", "models", cwd=tmp_path, **environ
        )

    return run


@pytest.mark.parametrize("here", [LOWEST, MIDDLE, NEWEST])
@pytest.mark.parametrize("locked", [LOWEST, MIDDLE, NEWEST])
def test_the_same_network_is_accepted_and_for_another_one_the_version_is_named(
    run, tmp_path, locked, here
):
    words = ("--precisions", "FP32")
    made = run(locked, "get", *words, "--weights_dir", "first")
    assert made.returncode == 0, made.stderr
    assert run(locked, "lock", "--weights_dir", "first").returncode == 0
    assert f'"openvino": "{locked}' in (tmp_path / "posezoo.lock").read_text()
    # The locked IR itself is accepted by each version.
    assert run(here, "get", *words, "--weights_dir", "first", "--locked").returncode == 0
    again = run(here, "get", *words, "--weights_dir", "again", "--locked")
    if again.returncode:
        assert here != locked and LOWEST in (here, locked)
        assert re.search(f"hint: another OpenVINO .* install openvino=={locked}; or", again.stderr)
