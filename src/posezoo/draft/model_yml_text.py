"""The text of a drafted model.yml: what is known, and in comments what is left to fill in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from posezoo.spec.model import FileSource, Framework, Input, ModelSpec, Output, SourceFile

#: Until it is filled in, `posezoo verify --metadata` says so.
TODO = "TODO"
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=~-]*[A-Za-z0-9_/]")
_WORDS = frozenset({"true", "false", "yes", "no", "null", "on", "off"})


def format_model_yml(spec: ModelSpec) -> str:
    """A model.yml in our form that says what is known of a model, and asks for the rest."""
    return "\n".join((*_head(spec), *_files(spec), *_network(spec), *_ends(spec), *_tail())) + "\n"


def list_missing_fields(spec: ModelSpec, license_text: str) -> tuple[str, ...]:
    """What a person has to say of a drafted model, one line each."""
    here = [file.name for file in spec.files if isinstance(file.sources[0], FileSource)]
    are = "are" if len(here) > 1 else "is"
    network = ("network and checkpoint: which of posezoo's networks the weights are for",)
    return (
        "description: what it does, in a sentence or two",
        "origin: where it comes from: repository and paper",
        *(
            (f"files: an address that others have, too: {', '.join(here)} {are} on this machine",)
            if here
            else ()
        ),
        *(network if spec.framework is Framework.PYTORCH else ()),
        *(("inputs and outputs: they could not be read from the file",) if not spec.outputs else ()),
        "inputs: the colour order, and mean and scale, that the network was trained with",
        "decoder and skeleton: how its outputs become poses, if they do",
        *((f"{license_text}: the terms, the holder's line (Copyright ...) first",) if license_text else ()),
    )


def _head(spec: ModelSpec) -> Iterator[str]:
    yield "description: >-"
    yield f"  {TODO}: what it does, in a sentence or two; cards show it as it is."
    yield f"task_type: {spec.task}"
    yield f"framework: {spec.framework}"
    yield f"license: {{spdx: {format_scalar(spec.license.spdx)}, text: {format_scalar(spec.license.text)}}}"
    yield "# origin: {repository: https://..., paper: https://...}"
    yield "revision: 1                             # counts up when the files change"


def _files(spec: ModelSpec) -> Iterator[str]:
    yield "files:"
    for file in spec.files:
        yield f"  - name: {format_scalar(file.name)}"
        yield f"    size: {file.size}"
        yield f"    checksum: {file.checksum.value if file.checksum else TODO}"
        yield f"    source: {_source(file)}"


def _source(file: SourceFile) -> str:
    source = file.sources[0]
    if isinstance(source, FileSource):
        return f"{{$type: file, path: {format_scalar(str(source.path))}}}"
    return format_scalar(str(source))


def _network(spec: ModelSpec) -> Iterator[str]:
    if spec.framework is Framework.PYTORCH:
        yield "# network: {name: ...}                  # one of posezoo's: the weights are for it"
        yield f"# checkpoint: {spec.files[0].name}"


def _ends(spec: ModelSpec) -> Iterator[str]:
    if spec.inputs:
        yield "inputs:"
        for port in spec.inputs:
            yield from _input(port)
    if spec.outputs:
        yield "outputs:"
        for end in spec.outputs:
            yield from _output(end)
    if not spec.inputs or not spec.outputs:
        yield "# inputs:"
        yield "#   - {name: image, shape: [1, 3, 256, 192], layout: NCHW, color: RGB}"
        yield "# outputs:"
        yield "#   - {name: heatmaps, shape: [1, 17, 64, 48], layout: NCHW, role: heatmaps}"


def _input(port: Input) -> Iterator[str]:
    yield f"  - name: {format_scalar(port.name)}"
    yield f"    shape: {list(port.shape)}"
    if port.layout:
        yield f"    layout: {port.layout}"
        yield "    # color: RGB                        # what the network was trained on ..."
        yield "    # reverse_input_channels: true      # ... so that the IR takes BGR"
        yield "    # mean: [123.675, 116.28, 103.53]   # in the network's own order"
        yield "    # scale: [58.395, 57.12, 57.375]    # divisors"


def _output(end: Output) -> Iterator[str]:
    yield f"  - name: {format_scalar(end.name)}"
    yield f"    shape: {list(end.shape)}"
    yield "    # role: heatmaps"


def _tail() -> Iterator[str]:
    yield "# decoder: {name: heatmap}              # how the outputs become poses"
    yield "# skeleton: coco-17"
    yield "# published:"
    yield "#   accuracy:"
    yield "#     - {metric: AP, value: 0.7, dataset: COCO val2017, protocol: single scale}"


def format_scalar(text: str) -> str:
    """A text as YAML reads it back."""
    return (
        text
        if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not _is_number(text)
        else _quoted(text)
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON's texts are YAML's


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[0-9.eE+-]+|0x[0-9a-fA-F]+", text))
