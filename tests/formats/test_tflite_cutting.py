"""A TFLite file tells where its steps are, and begins at tensors inside of it."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from faults.tflite_networks import TfliteNetwork
from posezoo.core.convert.formats import Step
from posezoo.formats.flatbuffers import FlatBuffer
from posezoo.formats.tflite_cutting import COMPUTED, begin_at, read_graph


def levels():
    """Half of an image, rounded down, in 8 bits, and back."""
    net = TfliteNetwork()
    x = net.node("MUL", net.image, net.constant(0.5))
    x = net.node("FLOOR", x)
    x = net.quantize(x, scale=2.0)
    return net.finish(net.node("DEQUANTIZE", x)).content


def open_file(content):
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def test_steps_are_found_by_what_they_do_to_roundings():
    graph = read_graph(open_file(levels()))
    steps = [(node.title.split()[-1], node.step) for node in graph.nodes]
    assert steps == [
        ("(MUL)", None), ("(FLOOR)", Step.EXACT), ("(QUANTIZE)", Step.EDGED), ("(DEQUANTIZE)", None),
    ]  # fmt: skip
    (quantize,) = [node for node in graph.nodes if node.step is Step.EDGED]
    assert quantize.outputs[0] not in graph.floats
    assert quantize.inputs[0] in graph.floats


def test_a_file_begins_at_tensors_inside_and_still_computes_them():
    content = levels()
    (name,) = [
        node.outputs[0] for node in read_graph(open_file(content)).nodes if "MUL" in node.title
    ]
    interpreter = open_file(begin_at(FlatBuffer(content), [name]))
    image, given = interpreter.get_input_details()
    assert given["name"] == name
    interpreter.set_tensor(image["index"], np.full(image["shape"], 3.0, np.float32))
    interpreter.set_tensor(given["index"], np.full(given["shape"], 8.9, np.float32))
    interpreter.invoke()
    values = {
        port["name"]: interpreter.get_tensor(port["index"])
        for port in interpreter.get_tensor_details()
        if port["name"] in ("out_0", f"{name}{COMPUTED}")
    }
    assert (values["out_0"] == 8).all()
    assert (values[f"{name}{COMPUTED}"] == 1.5).all()
