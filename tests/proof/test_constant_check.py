"""The constants of an IR are compared with those of the original, and only with their own."""

import numpy as np
import onnx
import pytest

from fakes.misleading_networks import (
    FORMS,
    PREPROCESSING,
    SIDE,
    Graph,
    misleading_networks,
)
from fakes.soak import soak
from posezoo.core.convert import frontends, preprocess
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.omz.commands import mo
from posezoo.proof.constant_check import find_changed_constant
from posezoo.proof.fp16_check import list_constants, read_xml


@pytest.mark.slow
@pytest.mark.parametrize("third", [0, soak(1), soak(2)])
def test_no_right_conversion_is_refused(third, tmp_path, capsys):
    """Each form with a third of the preprocessing, with others than the next form."""
    refused = []
    names = []
    for number, (name, content, arguments) in enumerate(misleading_networks()):
        form, preprocessing = divmod(number, len(PREPROCESSING))
        if (form + preprocessing) % 3 != third:
            continue
        names.append(name)
        path = tmp_path / "net.onnx"
        path.write_bytes(content)
        if mo.main(["--input_model", str(path), "-o", str(tmp_path / "ir"), *arguments]):
            refused.append((name, capsys.readouterr().err))
    assert refused == []
    assert len(set(names)) == len(FORMS) * len(PREPROCESSING) // 3 > 70
    assert "not proven" not in capsys.readouterr().err


def find_changed(original, xml, *words):
    """What is wrong with an IR, if it were made by mo with these words."""
    arguments = mo.create_parser().parse_args(["--input_model", str(original), *words])
    spec, _ = mo.read_command_line(arguments)
    spec = preprocess.fill_in_inputs(spec, openvino_core().read_model(xml))
    constants = frontends.read_constants(spec, original)
    return find_changed_constant(spec, constants, list_constants(read_xml(xml), xml))


def write_ir(original, *words):
    folder = original.parent / "ir"
    command = ["--input_model", str(original), "-o", str(folder), "--compress_to_fp16=False"]
    assert mo.main([*command, *words]) == 0
    return folder / f"{original.stem}.xml"


def write_network(path, form):
    net = Graph(0)
    path.write_bytes(net.finish(form(net)))
    return path


def one_activation(net):
    return net.node("Relu", "image")


def test_a_wrong_value_of_a_fully_connected_layer_is_found(tmp_path):
    right = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    wrong = right.copy()
    wrong[3, 5] *= 1.01

    def write(name, values):
        return write_network(
            tmp_path / name, lambda net: net.node("MatMul", "image", net.constant(values))
        )

    original = write("right.onnx", right)
    assert not find_changed(original, write_ir(original))
    assert find_changed(original, write_ir(write("wrong.onnx", wrong)))


def with_adapted_twin(kind, wrong=1):
    """A network with a kernel twice, one of them adapted in the file; ``wrong`` is a factor of one
    value of the other.
    """

    def form(net):
        kernel = net.draw(16, 3, 3, 3)
        first = kernel.copy()
        first[-1, 0, 0, 0] *= wrong
        factor = np.where(np.arange(16) % 4, 1, 0.5).reshape(16, 1, 1, 1)
        adapted = net.node(kind, net.constant(kernel), net.constant(factor))
        x = net.convolve("image", first)
        if kind == "Sub":  # then neither kernel keeps its name
            x = net.normalize(x, 16)
            return net.node("Add", x, net.normalize(net.convolve("image", adapted), 16))
        return net.node("Add", x, net.convolve("image", adapted))

    return form


@pytest.mark.parametrize("kind", ["Mul", "Div", "Pow", "Sub"])
def test_a_twin_that_the_graph_adapts_is_not_taken_for_its_twin(tmp_path, kind):
    original = write_network(tmp_path / "net.onnx", with_adapted_twin(kind))
    assert not find_changed(original, write_ir(original))


@pytest.mark.parametrize("kind", ["Mul", "Div", "Pow"])
def test_one_wrong_value_is_found_beside_a_twin_that_the_graph_adapts(tmp_path, kind):
    original = write_network(tmp_path / "right.onnx", with_adapted_twin(kind))
    wrong = write_network(tmp_path / "wrong.onnx", with_adapted_twin(kind, wrong=1.001))
    problem = find_changed(original, write_ir(wrong))
    assert problem.endswith("differs from the original's in 1 of 16 filters")


@pytest.mark.parametrize(
    ("is_external", "axes"),
    [(False, None), (True, None), (False, (3, 2, 0, 1))],
    ids=["in the file", "beside it", "transposed in the graph"],
)
def test_one_wrong_value_of_a_kernel_is_found_also_if_another_kernel_is_near(
    tmp_path, is_external, axes
):
    kernel = np.random.default_rng(0).normal(size=(16, 3, 3, 3))
    other = kernel * 1.0005 + 1e-5
    wrong = other.copy()
    wrong[-1, 0, 0, 0] *= 1.01

    def write(name, second):
        def weights(net, values):
            if axes is None:
                return values
            stored = net.constant(np.transpose(values, np.argsort(axes)))
            return net.node("Transpose", stored, perm=axes)

        def twins(net):
            convolved = [net.convolve("image", weights(net, each)) for each in (kernel, second)]
            return net.node("Add", *convolved)

        path = write_network(tmp_path / name, twins)
        if is_external:
            onnx.save(
                onnx.load(path), path, save_as_external_data=True, location=f"{name}.bin",
                size_threshold=0,
            )  # fmt: skip
        return path

    original = write("right.onnx", other)
    assert not find_changed(original, write_ir(original))
    problem = find_changed(original, write_ir(write("wrong.onnx", wrong)))
    assert problem.endswith("differs from the original's in 1 of 16 filters")
