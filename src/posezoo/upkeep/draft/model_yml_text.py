"""Write a draft of model.yml: the values from the files, and comments on values the user must fill
in.
"""

from __future__ import annotations

import base64

import yaml

from posezoo.core.declarations.model import Framework, Input, ModelSpec, Output, Source
from posezoo.core.declarations.sources import FileSource, NpmPackageSource
from posezoo.poses.decoders import recognize_decoder

#: A value that the user must fill in; the rule `placeholder` of `posezoo verify --metadata` reports
#: it.
TODO = "TODO"
_INPUT_COMMENTS = """\
    # color: RGB                        # what the network was trained on ...
    # reverse_input_channels: true      # ... so that the IR takes BGR
    # mean: [123.675, 116.28, 103.53]   # in the network's own order
    # scale: [58.395, 57.12, 57.375]    # divisors"""
_PORTS_COMMENTS = """\
# inputs:
#   - {name: image, shape: [1, 3, 256, 192], layout: NCHW, color: RGB}
# outputs:
#   - {name: heatmaps, shape: [1, 17, 64, 48], layout: NCHW, role: heatmaps}"""
_LAST_COMMENTS = """\
# skeleton: coco-17
# published:
#   accuracy:
#     - {metric: AP, value: 0.7, dataset: COCO val2017, protocol: single scale}"""


def format_model_yml(spec: ModelSpec) -> str:
    """A model.yml in posezoo's format with the known values of a model, and comments on missing
    ones.
    """
    terms = spec.license
    lines = [
        "description: >-",
        f"  {TODO}: what it does, in a sentence or two; cards show it as it is.",
        f"task_type: {spec.task}",
        f"framework: {spec.framework}",
        f"license: {{spdx: {format_scalar(terms.spdx)}, text: {format_scalar(terms.text)}}}",
        "# origin: {repository: https://..., paper: https://...}",
        "revision: 1                             # counts up when the files change",
        "files:",
    ]
    for file in spec.files:
        lines += [
            f"  - name: {format_scalar(file.name)}",
            f"    size: {file.size}",
            f"    checksum: {file.checksum.value if file.checksum else TODO}",
            f"    source: {_format_source(file.sources[0])}",
        ]
    if spec.framework is Framework.PYTORCH:
        lines += [
            "# network: {name: ...}                  # posezoo's network that the weights are for",
            f"# checkpoint: {spec.files[0].name}",
        ]
    if spec.inputs:
        lines.append("inputs:")
    for port in spec.inputs:
        lines += _port_lines(port)
        if port.layout:
            lines += [f"    layout: {port.layout}", _INPUT_COMMENTS]
    if spec.outputs:
        lines.append("outputs:")
    for output in spec.outputs:
        lines += [*_port_lines(output), "    # role: heatmaps"]
    if not spec.inputs or not spec.outputs:
        lines.append(_PORTS_COMMENTS)
    return "\n".join((*lines, _decoder_line(spec), _LAST_COMMENTS, ""))


def _decoder_line(spec: ModelSpec) -> str:
    name = recognize_decoder({output.name: output.shape for output in spec.outputs})
    if name:
        return f"decoder: {{name: {name}}}  # its outputs have such names and shapes: check that"
    return "# decoder: {name: heatmap}              # how the outputs become poses"


def _format_source(source: Source) -> str:
    if isinstance(source, FileSource):
        return f"{{$type: file, path: {format_scalar(str(source.path))}}}"
    if isinstance(source, NpmPackageSource):
        assert source.integrity  # else it was not downloaded
        digest = base64.b64encode(bytes.fromhex(source.integrity.value)).decode()
        pairs = {
            "$type": source.type,
            "package": source.package,
            "version": source.version,
            "integrity": f"{source.integrity.algorithm}-{digest}",
            "member": source.member,
        }
        fields = ", ".join(f"{key}: {format_scalar(value)}" for key, value in pairs.items())
        return f"{{{fields}}}"
    return format_scalar(str(getattr(source, "url", source)))


def _port_lines(port: Input | Output) -> list[str]:
    return [f"  - name: {format_scalar(port.name)}", f"    shape: {list(port.shape)}"]


def list_missing_fields(spec: ModelSpec, license_text: str) -> tuple[str, ...]:
    """The fields that the user must fill in, one line each; also ``license_text``, if it names a
    path.
    """
    missing = [
        "description: what it does, in a sentence or two",
        "origin: where it comes from: repository and paper",
    ]
    local = [file.name for file in spec.files if isinstance(file.sources[0], FileSource)]
    if local:
        are = "are" if len(local) > 1 else "is"
        names = ", ".join(local)
        missing.append(
            f"files: an address that others can download from: {names} {are} on this machine"
        )
    if spec.framework is Framework.PYTORCH:
        missing.append("network and checkpoint: which of posezoo's networks the weights are for")
    if not spec.outputs:
        missing.append("inputs and outputs: they could not be read from the file")
    missing += [
        "inputs: the colour order, and mean and scale, that the network was trained with",
        "decoder and skeleton: how its outputs become poses, if it is a pose model",
    ]
    if license_text:
        missing.append(
            f"{license_text}: the license text, which begins with the holder's line (Copyright ...)"
        )
    return tuple(missing)


def format_scalar(text: str) -> str:
    """A text as YAML, quoted if YAML would read it as another type."""
    # In a list, characters that end a value of {key: value} are quoted too.
    return yaml.safe_dump(
        [text], default_flow_style=True, allow_unicode=True, width=1 << 30
    ).strip()[1:-1]
