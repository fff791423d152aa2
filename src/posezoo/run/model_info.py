"""The section ``model_info`` of an IR: how Model API and DL Streamer prepare images and read the
outputs.

Mean and scale are in the IR, so they are left out: values of 0 and 1 would cost an operation in
Model API and a slower path in DL Streamer. Reasons for each word:
docs/decisions/0012-what-an-ir-says-about-itself.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from statistics import fmean

from posezoo.core.declarations.model import Decoder, Input, ModelSpec, Plain
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import PosezooError
from posezoo.poses.decoder_type import DecoderType, Shape
from posezoo.poses.decoders import find_decoder, fit_to_input, resolve_options, sizing_of_input
from posezoo.poses.letterbox import CROP
from posezoo.run.model_procs import find_labels

# The words for the steps that an IR may do itself, by the field of an input.
_STEPS = {
    "mean": "mean_values",
    "scale": "scale_values",
    "reverse_input_channels": "reverse_input_channels",
}


def build_model_info(
    outputs: Mapping[str, Shape], spec: ModelSpec, decoder: Decoder | None
) -> dict[str, Plain]:
    """``model_info`` of an IR; empty if nothing is known.

    One that model.yml declares is used instead, without the steps that the IR does itself, but not
    for an IR with its decoder.

    Args:
        outputs: the shapes of the IR's outputs, in their order, by the declared name or another
            one.
        spec: with the changes that flags such as --resize make.
        decoder: of its outputs, or of its composite; None if unknown.
    """
    port = spec.first_input
    info: dict[str, Plain] = {}
    if spec.model_info and not spec.decoding:
        info |= _declared_info(spec)
    else:
        if port.ir_color is not None:
            # Both readers have BGR images, and reverse their channels if this is true.
            info["color_space"] = port.ir_color
            info["reverse_input_channels"] = str(port.ir_color == "RGB")
        if decoder:
            with suppress(PosezooError):  # an unknown decoder or option; posezoo run reports it
                info |= _describe_outputs(outputs, spec, decoder)
                info |= _describe_fitting(decoder, port)
    if port.resize:
        sides = dict(zip(port.layout, map(str, port.shape), strict=True))
        info |= {"embedded_processing": "True", "orig_height": sides["H"], "orig_width": sides["W"]}
        info["reshape"] = f"{sides['H']} {sides['W']}"  # DL Streamer needs a size
        if not spec.decoding:
            info["resize_type"] = "standard"
            info.pop("pad_value", None)
    if "labels" not in info and (labels := find_labels(spec, outputs.values())):
        # Both readers split the text, DL Streamer also at commas and semicolons.
        info["labels"] = " ".join(re.sub(r"[\s,;]+", "_", label) for label in labels)
    return info


def _declared_info(spec: ModelSpec) -> dict[str, Plain]:
    """What model.yml declares, without the steps that the IR does itself."""
    done = {
        word for step, word in _STEPS.items() if any(getattr(port, step) for port in spec.inputs)
    }
    return {name: value for name, value in spec.model_info.items() if name not in done}


def _describe_fitting(decoder: Decoder, port: Input) -> dict[str, str]:
    stretches, color = fit_to_input(decoder, port)
    if stretches:
        return {"resize_type": "standard"}
    sizing = sizing_of_input(decoder, port)
    if sizing.fit == CROP:
        return {"resize_type": "crop"}
    info = {"resize_type": "fit_to_window_letterbox" if sizing.centered else "fit_to_window"}
    if any(color):
        info["pad_value"] = str(round(fmean(color)))
    return info


def _describe_outputs(
    outputs: Mapping[str, Shape], spec: ModelSpec, decoder: Decoder
) -> dict[str, str]:
    record = find_decoder(decoder.name)
    options = resolve_options(decoder)
    matched = {name: role for role, name in record.match_outputs(outputs).items()}
    declared = {port.name: port.role for port in spec.outputs if port.role}
    roles = [declared.get(name) or matched.get(name, "") for name in outputs]
    # An IR with its decoder has none of these outputs; its model.yml may declare no roles.
    is_decoded = spec.decoding is not None
    present = {*declared.values()} if is_decoded else {*roles}
    needed = [{output.role for output in record.networks[-1]}]
    if is_decoded:  # its decoder took one of several forms of outputs
        needed += [{*rules} for rules in record.rules]
    if (present or not is_decoded) and not any(each <= present for each in needed):
        return {}  # the first network of a composite
    info: dict[str, str] = {}
    if not is_decoded and _are_readable(outputs, roles, record):
        info |= record.model_info(options)
    if record.labels:
        info["labels"] = " ".join(record.labels)
        return info
    return info | _describe_skeleton(decoder.skeleton, spec.skeleton or record.skeleton)


def _are_readable(names: Iterable[str], roles: list[str], record: DecoderType) -> bool:
    if record.reader_names:
        return {*record.reader_names.values()}.issubset(names)
    return roles == [output.role for output in record.networks[-1]]


def _describe_skeleton(own_skeleton: Skeleton | None, name: str) -> dict[str, str]:
    skeleton = own_skeleton or SKELETONS.get(name)
    if skeleton is None or not skeleton.keypoints:
        return {}
    limbs = " ".join(f"{start}-{end}" for start, end in skeleton.limbs)
    return {"labels": " ".join(skeleton.keypoints), "skeleton": skeleton.name, "limbs": limbs}
