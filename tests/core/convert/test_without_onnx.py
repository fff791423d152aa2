"""Without the packages onnx and onnxruntime, operations that OpenVINO misreads are refused, and others convert."""

import sys

import pytest

from fakes.command import assert_success, posezoo, refusal
from formats.test_onnx_rewriting import CORRECT, MISREAD, UNKNOWN, pool, save

#: Misread operations of each type.
OPERATIONS = {
    "Resize": MISREAD["linear antialias"],
    "Pad": MISREAD["pad from the other edge"],
    "Softmax": MISREAD["softmax over all axes"],
    "MaxPool": MISREAD["largest window in the padding"],
}


@pytest.fixture
def translate_without(tmp_path, monkeypatch, in_this_process):
    """The command where these packages are not installed."""
    monkeypatch.chdir(tmp_path)

    def translate(nodes, constants, options, *packages):
        save(nodes, constants, **options)
        for name in packages:
            monkeypatch.setitem(sys.modules, name, None)
        return posezoo("convert", "net.onnx", "-o", "net.xml", cwd=tmp_path)

    return translate


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_that_nothing_replaces_or_compares_is_refused(
    tmp_path, translate_without, operation
):
    error = refusal(translate_without(*OPERATIONS[operation], "onnx", "onnxruntime"))
    assert f"OpenVINO may read its {operation} 'y' wrongly" in error
    assert "hint: " in error and "[run]" in error
    assert "Traceback" not in error
    assert not (tmp_path / "net.xml").exists()


@pytest.mark.parametrize(
    "kind", sorted(CORRECT.keys() - {"largest", "average", "softmax of axis 3"})
)
def test_what_openvino_reads_rightly_needs_neither_package(tmp_path, translate_without, kind):
    assert_success(translate_without(*CORRECT[kind], "onnx", "onnxruntime"))
    assert (tmp_path / "net.xml").exists()


def test_an_operation_of_unknown_sizes_needs_onnx_runtime(tmp_path, translate_without):
    # A window may begin after the end.
    nodes = pool("MaxPool", kernel_shape=[2, 2], strides=[3, 3])
    error = refusal(translate_without(nodes, {}, {"shape": UNKNOWN}, "onnxruntime"))
    assert "its MaxPool 'y' wrongly: it cannot be replaced" in error
    assert not (tmp_path / "net.xml").exists()


def test_one_of_the_packages_is_enough_for_known_sizes(translate_without):
    assert_success(translate_without(*OPERATIONS["Pad"], "onnxruntime"))
