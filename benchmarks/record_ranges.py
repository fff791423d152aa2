"""Record the ranges that NNCF measures on photos, for the key int8_ranges of model.yml: with them,
everybody makes the same INT8 of the published weights, without photos.

    python benchmarks/record_ranges.py movenet-thunder nanodet-g --dataset_dir photos
    --photos "12 of COCO's (7 of val2017, 5 of train2017)"

It quantizes each model as ``posezoo quantize`` does, writes the file beside model.yml, makes INT8
with it, and compares the outputs of both. The lines for model.yml are printed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

import posezoo
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import read_settings, to_settings
from posezoo.quantize import int8_models
from posezoo.quantize.int8_ranges import Int8Ranges, apply_ranges, find_ranges
from posezoo.quantize.quantization import quantize
from posezoo.quantize.quantization_plan import QuantizationOptions

FILE = "int8_ranges.safetensors"
#: The height and width of an image for a network that takes any.
SIZE = 257


def record(spec: ModelSpec, context: Context, dataset_dir: Path, photos: str) -> str:
    """Write the ranges of a model beside its model.yml; returns the lines for model.yml."""
    for precision in ("FP32", "FP16"):
        posezoo.get(spec.full_name, precision=precision)
    half = context.layout.ir_path(spec, Precision.FP16)
    with tempfile.TemporaryDirectory() as folder:
        options = QuantizationOptions(force=True)
        plan = int8_models.plan_int8(spec, context, dataset_dir, options, output_dir=Path(folder))
        quantized = quantize(plan)
        int8 = quantized.irs[Precision.FP16_INT8]
        ranges = find_ranges(openvino_core().read_model(half), openvino_core().read_model(int8))
        require_same_outputs(half, int8, ranges)
    target = spec.path.with_name(FILE)
    target.write_bytes(save(ranges.to_tensors()))
    digest = compute_digest(target).value
    return (
        f"int8_ranges:\n  photos: {photos}, SHA-384 {plan.photos.digest[:16]}\n"
        f"  file: {FILE}\n  checksum: {digest}\n"
    )


def require_same_outputs(half: Path, int8: Path, ranges: Int8Ranges) -> None:
    """Check that ranges make the network that NNCF made; an AssertionError says that they do
    not.
    """
    made = openvino_core().read_model(half)
    apply_ranges(made, ranges, half.stem)
    networks = [openvino_core().compile_model(each, "CPU") for each in (made, int8)]
    sizes = networks[0].inputs[0].partial_shape
    shape = [SIZE if size.is_dynamic else size.get_length() for size in sizes]
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    ours, theirs = ([np.array(each) for each in network(noise).values()] for network in networks)
    for our_output, their_output in zip(ours, theirs, strict=True):
        assert np.array_equal(our_output, their_output), f"{half.stem} is another network"


def main() -> None:
    """Record the ranges of each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--dataset_dir", type=Path, required=True, help="the folder of the photos")
    parser.add_argument("--photos", required=True, help="what the photos are, for the card")
    args = parser.parse_args()
    context = open_context(to_settings(read_settings({})))
    for name in args.models:
        spec = context.registry.find_single(name)
        print(f"# {name}\n{record(spec, context, args.dataset_dir, args.photos)}")


if __name__ == "__main__":
    main()
