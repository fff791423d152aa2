"""Run a TFLite file in MediaPipe's own runtime, which has its custom operations.

    run.py MODEL.tflite IMAGES.npy COUNT OUT.npz

It runs in the environment of ``make judges``, with MediaPipe 0.10.21. IMAGES.npy are uint8 (N,
height, width, 3), which the network gets as 0 to 1. OUT.npz has the numbers of each of its COUNT
outputs, in the file's order: ``K/0`` to ``K/COUNT-1`` for image K.
"""

# mypy: ignore-errors

import sys

import numpy as np

# Python drops the options of calculators whose messages it does not know.
from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401
from mediapipe.calculators.tensor import (  # noqa: F401
    image_to_tensor_calculator_pb2,
    inference_calculator_pb2,
    tensors_to_floats_calculator_pb2,
)
from mediapipe.python import packet_creator, packet_getter
from mediapipe.python._framework_bindings.calculator_graph import CalculatorGraph
from mediapipe.python._framework_bindings.image_frame import ImageFormat

GRAPH = """
input_stream: "image"
{streams}
node {{
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  output_stream: "TENSORS:input"
  options: {{
    [mediapipe.ImageToTensorCalculatorOptions.ext] {{
      output_tensor_width: {width}
      output_tensor_height: {height}
      output_tensor_float_range {{ min: 0.0 max: 1.0 }}
    }}
  }}
}}
node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:resolver" }}
node {{
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:input"
  output_stream: "TENSORS:outputs"
  input_side_packet: "OP_RESOLVER:resolver"
  options: {{
    [mediapipe.InferenceCalculatorOptions.ext] {{ model_path: "{path}" delegate {{ tflite {{}} }} }}
  }}
}}
node {{
  calculator: "SplitTensorVectorCalculator"
  input_stream: "outputs"
  {parts}
  options: {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }}
}}
{floats}
"""
FLOATS = """
node {{
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:part{place}"
  output_stream: "FLOATS:output{place}"
}}
"""


def main(path: str, images: str, count: str, out: str) -> None:
    """Run the file on each image."""
    pictures = np.load(images)
    places = range(int(count))
    graph = GRAPH.format(
        path=path,
        height=pictures.shape[1],
        width=pictures.shape[2],
        streams="\n".join(f'output_stream: "output{place}"' for place in places),
        parts="\n".join(f'output_stream: "part{place}"' for place in places),
        ranges=" ".join(f"ranges: {{ begin: {place} end: {place + 1} }}" for place in places),
        floats="".join(FLOATS.format(place=place) for place in places),
    )
    results = {}
    for number, picture in enumerate(pictures):
        runner = CalculatorGraph(graph_config=graph)

        def keep(name: str, packet: object, number: int = number) -> None:
            values = packet_getter.get_float_list(packet)
            results[f"{number}/{name.removeprefix('output')}"] = np.array(values, np.float32)

        for place in places:
            runner.observe_output_stream(f"output{place}", keep)
        runner.start_run()
        frame = packet_creator.create_image_frame(picture, image_format=ImageFormat.SRGB)
        runner.add_packet_to_input_stream("image", frame.at(number))
        runner.close_all_packet_sources()
        runner.wait_until_done()
    np.savez(out, **results)


main(*sys.argv[1:])
