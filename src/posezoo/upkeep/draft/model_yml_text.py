"""Write a draft of model.yml: the values from the files, and comments on values the user must fill
in.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from posezoo.core.declarations.model import (
    Framework,
    Input,
    ModelSpec,
    Output,
    Source,
)
from posezoo.core.declarations.skeletons import UNKNOWN
from posezoo.core.declarations.sources import FileSource, NpmPackageSource
from posezoo.networks import find_network
from posezoo.poses.decoders import find_decoder, recognize_decoder

#: A value that the user must fill in; the rule `placeholder` of `posezoo lint` reports
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
# published:
#   accuracy:
#     - {metric: AP, value: 0.7, dataset: COCO val2017, protocol: single scale}"""


def format_model_yml(spec: ModelSpec, folder: Path) -> str:
    """A model.yml in posezoo's format, in a folder, with a model's known values, and comments on
    missing ones.
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
        *_file_lines(spec, folder),
    ]
    lines += _network_lines(spec)
    if spec.inputs:
        lines.append("inputs:")
    for port in spec.inputs:
        lines += _port_lines(port)
        if port.layout:
            lines.append(f"    layout: {port.layout}")
            lines += _preprocessing_lines(port, is_ours=spec.network is not None)
    skeleton = f"skeleton: {spec.skeleton}" if spec.skeleton else "# skeleton: coco-17"
    return "\n".join((*lines, *_output_lines(spec), skeleton, _LAST_COMMENTS, ""))


def _file_lines(spec: ModelSpec, folder: Path) -> Iterator[str]:
    yield "files:"
    for file in spec.files:
        yield f"  - name: {format_scalar(file.name)}"
        yield f"    size: {file.size}"
        yield f"    checksum: {file.checksum.value if file.checksum else TODO}"
        yield f"    source: {_format_source(file.sources[0], folder)}"


def format_beside(spec: ModelSpec) -> str:
    """The model.yml of a network of the user's, for ``--as``: what follows and precedes it."""
    lines = [
        f"description: The network in {spec.path.name}.",
        f"task_type: {spec.task or 'human_pose_estimation'}",
        f"framework: {spec.framework}",
        *_file_lines(spec, spec.path.parent),
        "inputs:",
    ]
    for port in spec.inputs:
        lines += _port_lines(port)
        if port.layout:
            lines += [f"    layout: {port.layout}", *_preprocessing_lines(port)]
    lines += _output_lines(spec)
    skeleton: object = spec.skeleton
    if spec.own_skeleton:
        skeleton = yaml.safe_load(spec.own_skeleton.to_json())
    lines.append(f"skeleton: {_dump(skeleton)}" if skeleton else "# skeleton: coco-17")
    if not skeleton:
        lines.append("# model_info: {labels: cat dog}  # the names of its classes")
    if spec.people:
        lines.append(f"people: {_dump({'photo': spec.people.photo})}")
    return "\n".join((*lines, ""))


def _network_lines(spec: ModelSpec) -> list[str]:
    if spec.network:
        usual = find_network(spec.network.name).complete_arguments()
        given: dict[str, object] = {"name": spec.network.name}
        arguments = spec.network.arguments.items()
        given |= {name: value for name, value in arguments if usual[name] != value}
        return [f"network: {_dump(given)}", f"checkpoint: {format_scalar(spec.checkpoint)}"]
    if spec.framework is not Framework.PYTORCH:
        return []
    return [
        "# network: {name: ...}                  # posezoo's network that the weights are for",
        f"# checkpoint: {spec.files[0].name}",
    ]


def _preprocessing_lines(port: Input, *, is_ours: bool = False) -> list[str]:
    if port.color is None:
        return [_INPUT_COMMENTS]
    comment = "                          # as posezoo's own weights take it" if is_ours else ""
    lines = [f"    color: {port.color}{comment}"]
    if port.reverse_input_channels:
        lines.append("    reverse_input_channels: true")
    for key, values in (("mean", port.mean), ("scale", port.scale)):
        if values:
            each = list(values) * (port.sides["C"] // len(values))  # one may be for all channels
            lines.append(f"    {key}: {each}")
    return lines


def _output_lines(spec: ModelSpec) -> Iterator[str]:
    shapes = {output.name: output.shape for output in spec.outputs}
    decoder = "# decoder: {name: heatmap}              # how the outputs become poses"
    roles = {}  # that the outputs have for the decoder
    if spec.decoder:
        decoder = f"decoder: {_dump({'name': spec.decoder.name, **spec.decoder.options})}"
    elif recognized := recognize_decoder(shapes):
        decoder = f"decoder: {{name: {recognized}}}  # its outputs fit: check that"
        matched = find_decoder(recognized).recognize_outputs(shapes)
        roles = {name: role for role, name in matched.items()}
    if spec.outputs:
        yield "outputs:"
    for output in spec.outputs:
        yield from _port_lines(output)
        role = output.role or roles.get(output.name)
        yield f"    role: {role}" if role else "    # role: heatmaps"
    if not spec.inputs or not spec.outputs:
        yield _PORTS_COMMENTS
    yield decoder


def format_path(path: Path, folder: Path) -> str:
    """The path of a file for the model.yml of a folder: in the working folder, the one from there,
    which is the same on another machine.
    """
    path = path.resolve()
    top = Path.cwd().resolve()
    if path.is_relative_to(top) and folder.resolve().is_relative_to(top):
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    return str(path)


def _format_source(source: Source, folder: Path) -> str:
    if isinstance(source, FileSource):
        return _dump({"$type": "file", "path": format_path(source.path, folder)})
    if isinstance(source, NpmPackageSource):
        assert source.integrity  # else it was not downloaded
        digest = base64.b64encode(bytes.fromhex(source.integrity.value)).decode()
        fields = {
            "$type": source.type,
            "package": source.package,
            "version": source.version,
            "integrity": f"{source.integrity.algorithm}-{digest}",
            "member": source.member,
        }
        return _dump(fields)
    return format_scalar(str(getattr(source, "url", source)))


def _port_lines(port: Input | Output) -> list[str]:
    return [f"  - name: {format_scalar(port.name)}", f"    shape: {list(port.shape)}"]


def local_files(spec: ModelSpec) -> list[Path]:
    """The files of a model that are on this machine."""
    sources = (file.sources[0] for file in spec.files)
    return [source.path for source in sources if isinstance(source, FileSource)]


def list_missing_fields(spec: ModelSpec, license_text: str) -> tuple[str, ...]:
    """The fields that the user must fill in, one line each; also ``license_text``, if it names a
    path.
    """
    missing = [
        "description: what it does, in a sentence or two",
        "origin: where it comes from: repository and paper",
    ]
    local = [path.name for path in local_files(spec)]
    if local:
        are = "are" if len(local) > 1 else "is"
        missing.append(
            f"files: {', '.join(local)} {are} on this machine: commit what is small, and give an"
            " address for the others"
        )
    if spec.framework is Framework.PYTORCH and not spec.network:
        missing.append("network and checkpoint: which of posezoo's networks the weights are for")
    if not spec.outputs:
        missing.append("inputs and outputs: they could not be read from the file")
    preprocessing = (
        "inputs: the colour order, and mean and scale, that the network was trained with"
    )
    if spec.network:
        preprocessing = (
            "inputs: check the size, the colour order, mean and scale: they are those of posezoo's"
            f" {spec.network.name}, and your training may have used others"
        )
    missing += [preprocessing, *_missing_decoding(spec)]
    if license_text:
        missing.append(
            f"{license_text}: the license text, which begins with the holder's line (Copyright ...)"
        )
    return tuple(missing)


def _missing_decoding(spec: ModelSpec) -> list[str]:
    if not spec.decoder:
        return ["decoder and skeleton: how its outputs become poses, if it is a pose model"]
    if spec.skeleton.startswith(f"{UNKNOWN}-"):
        return [
            f"skeleton: what its {spec.skeleton.removeprefix(f'{UNKNOWN}-')} keypoints are, in a"
            " file in skeletons/: they are only numbered"
        ]
    if spec.assumption:
        return [f"skeleton: check it: only the number of keypoints is that of {spec.skeleton}"]
    return []


def format_scalar(text: str) -> str:
    """A text as YAML, quoted if YAML would read it as another type."""
    # In a list, characters that end a value of {key: value} are quoted too.
    return _dump([text])[1:-1]


def _dump(value: object) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30
    )
    return text.strip()
