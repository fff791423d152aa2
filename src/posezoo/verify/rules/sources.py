"""model.yml in itself: keys, flags, paths, addresses and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.errors import SpecError
from posezoo.spec.arguments import OTHER_ORIGINALS, TYPED
from posezoo.spec.carried_out import CARRIED_OUT
from posezoo.spec.model import CompositeSpec, Digest, HttpSource, UnpackArchive
from posezoo.verify.finding import Found, Place, Rule, Severity
from posezoo.verify.texts import is_misspelt
from posezoo.verify.view import Argument, ModelView, below, place

#: Flags that Open Model Zoo's converter passes by itself.
GENERATED = ("--data_type", "--framework", "--model_name", "--output_dir")
#: Further flags of Model Optimizer (mo --help) and of Open Model Zoo's export to ONNX.
CONVERTER = (
    *TYPED, *OTHER_ORIGINALS, *CARRIED_OUT, *GENERATED, "--input_proto", "--transformations_config",
    "--tensorflow_object_detection_api_pipeline_config", "--tensorflow_custom_operations_config_update",
    "--tensorflow_use_custom_operations_config", "--disable_nhwc_to_nchw", "--input_checkpoint",
    "--extensions",
    "--source_layout", "--target_layout", "--input_symbol", "--nd_prefix_name", "--legacy_mxnet_model",
    "--use_shape_information", "--tensorboard_logdir", "--disable_fusing", "--caffe_parser_path",
    "--mean_file",
    "--saved_model_tags", "--tensorflow_custom_layer_libraries", "--input_model_is_text", "--counts",
)  # fmt: skip
EXPORT = (
    "--model-name", "--model-path", "--model-param", "--import-module", "--weights", "--input-names",
    "--input-shapes", "--input-shape", "--output-names", "--output-file", "--inputs-dtype",
    "--conversion-param",
    "--opset_version", "--model-loader",
)  # fmt: skip
_WARNING = re.compile(r":([0-9]+):([0-9]+): (\S+): unknown key, left out; (.*)$", re.DOTALL)
_PRECISION = re.compile(r"(?:^|/)(FP(?:32|16)(?:-INT(?:8|1))?)/")


def _readable(view: ModelView) -> Iterator[Found]:
    """model.yml and accuracy-check.yml can be read."""
    for error in (view.known, view.accuracy_error):
        if not isinstance(error, SpecError):
            continue
        problem = error.problem.removeprefix(f"{error.file}:{error.line}:{error.column}: ")
        hint = f"; {error.hint}" if error.hint else ""
        yield Found(Place(error.file, error.line, error.column), f"{problem}{hint}", error.field)


def _too_large(view: ModelView) -> Iterator[Found]:
    """A card is no longer than can be read."""
    if view.card is not None and view.has_own_card and view.card.cut:
        yield Found(Place(str(view.card_path)), f"the card is too large: {view.card.cut}", "card")


def _unknown_keys(view: ModelView) -> Iterator[Found]:
    """Every key of model.yml is one that a tool reads."""
    known = view.known
    for warning in () if isinstance(known, SpecError) else known.warnings:
        if match := _WARNING.search(warning):
            at = Place(str(view.entry.path), int(match[1]), int(match[2]))
            yield Found(at, f"{match[3]}: unknown key, left out; {match[4]}", match[3], match[3], match[4])


def _http_sources(view: ModelView) -> Iterator[Found]:
    """Files come over https: over http anybody on the way can change an address that leads to them."""
    for variant in view.variants:
        for index, file in enumerate(variant.files):
            for source in file.sources:
                if isinstance(source, HttpSource) and not source.url.startswith("https://"):
                    yield Found(
                        _source_place(view, index, source.url),
                        f"{file.name} comes from {source.url}, which is not https",
                        f"files[{index}].source",
                        source.url,
                        source.url.replace("http://", "https://", 1),
                    )


def _source_place(view: ModelView, index: int, address: str) -> Place:
    for tops in (("files", index), *(("variants", tag, "files", index) for tag in view.tags)):
        for key in ("source", "original_source"):
            node = view.node(*tops, key)
            for each in (
                node,
                below(node, "url"),
                *(node.value if node and isinstance(node.value, list) else ()),
            ):
                if each is not None and each.value == address:
                    return place(each, view.entry.path)
    return view.at("files", index)


def _dead_paths(view: ModelView) -> Iterator[Found]:
    """A file that an argument names is downloaded, made by the export, or lies beside the model.yml."""
    spec = view.spec
    if spec is None:
        return
    files = {file.name for file in spec.files}
    folders = {name[: index + 1] for name in files for index in range(len(name)) if name[index] == "/"}
    unpacked = any(isinstance(step, UnpackArchive) for step in spec.postprocessing)
    exported = {each.value for each in view.export_arguments if each.flag == "--output-file"}
    for each in (*view.arguments, *view.export_arguments):
        for root, path in re.findall(r"\$(dl_dir|conv_dir)/([A-Za-z0-9_./ -]{1,300})", each.value):
            path = path.rstrip("/")
            if each.flag == "--output-file":
                continue
            if root == "dl_dir" and not unpacked and path not in files and f"{path}/" not in folders:
                yield _dead(each, f"$dl_dir/{path}", "none of the files is called so")
            elif (
                root == "conv_dir"
                and each.flag == "--input_model"
                and exported
                and f"$conv_dir/{path}" not in exported
            ):
                yield _dead(each, f"$conv_dir/{path}", f"the export writes {', '.join(sorted(exported))}")


def _dead(argument: Argument, path: str, why: str) -> Found:
    node = argument.node
    return Found(
        Place(node.file, node.line, node.column), f"{argument.flag} names {path}: {why}", node.field, path
    )


def _generated_flags(view: ModelView) -> Iterator[Found]:
    """A flag that the converter passes by itself is not given once more."""
    for each in view.arguments:
        if each.flag in GENERATED:
            yield Found(
                place(each.node, view.entry.path),
                f"{each.flag} is passed by the converter itself",
                each.node.field,
                str(each.node.value),
            )


def _misspelt_flags(view: ModelView) -> Iterator[Found]:
    """A flag is one that the converter or the export knows."""
    for arguments, known in ((view.arguments, CONVERTER), (view.export_arguments, EXPORT)):
        for each in arguments:
            if each.flag.startswith(("--", "-")) and not any(flag.startswith(each.flag) for flag in known):
                meant = next((flag for flag in known if is_misspelt(each.flag, flag)), "")
                if meant or each.flag.replace("-", "_") in known or each.flag.replace("_", "-") in known:
                    meant = meant or next(
                        f for f in known if f.replace("_", "-") == each.flag.replace("_", "-")
                    )
                    yield Found(
                        place(each.node, view.entry.path),
                        f"there is no flag {each.flag}: {meant} is meant",
                        each.node.field,
                        each.flag,
                        meant,
                    )


def _is_nearly(flag: str, meant: str) -> bool:
    return is_misspelt(flag, meant) or flag.replace("_", "-") == meant.replace("_", "-")


def _dead_keys(view: ModelView) -> Iterator[Found]:
    """A key that nothing will ever use is left out."""
    spec = view.spec
    if spec is None:
        return
    if spec.is_ir:
        for key in ("model_optimizer_args", "conversion_to_onnx_args", "quantizable"):
            if view.node(key) is not None:
                yield Found(view.at(key), f"{key} is never used: the model is published as IR", key)
    original = view.argument("--input_model") or view.argument("-m")
    if view.export_arguments and original is not None and not original.value.startswith("$conv_dir"):
        yield Found(
            view.at("conversion_to_onnx_args"),
            f"conversion_to_onnx_args is never used: {original.value} is converted",
            "conversion_to_onnx_args",
        )


def _exported_ends(view: ModelView) -> Iterator[Found]:
    """What the export to ONNX calls its inputs and outputs is what the converter asks for."""
    for exported, asked in (("--input-names", "--input"), ("--output-names", "--output")):
        one = next((each for each in view.export_arguments if each.flag == exported), None)
        other = view.argument(asked)
        if one is None or other is None:
            continue
        names = {name.strip() for name in one.value.split(",")}
        wanted = [name.strip() for name in other.value.split(",")]
        if missing := [name for name in wanted if name not in names]:
            yield Found(
                place(other.node, view.entry.path),
                f"{asked} asks for {', '.join(missing)}, which the export calls {one.value}",
                other.node.field,
                other.value,
                one.value,
            )
    shape = next(
        (
            each
            for each in view.export_arguments
            if "--input-shapes".startswith(each.flag) and len(each.flag) > 12
        ),
        None,
    )
    asked_shape = view.argument("--input_shape")
    if shape is not None and asked_shape is not None:
        one_sizes, other_sizes = (re.findall(r"-?[0-9]+", each.value) for each in (shape, asked_shape))
        if one_sizes != other_sizes:
            yield Found(
                place(asked_shape.node, view.entry.path),
                f"--input_shape is {asked_shape.value}, the export's {shape.flag} {shape.value}",
                asked_shape.node.field,
                asked_shape.value,
                shape.value,
            )


def _same_bytes(view: ModelView) -> Iterator[Found]:
    """One address leads to one file: its size and checksum are the same wherever it is named."""
    for variant in view.variants:
        for index, file in enumerate(variant.files):
            for source in file.sources:
                other = view.zoo.by_source.get(str(source))
                if other is None or other[0] == view.name:
                    continue
                same = other[1] == file.size and _may_be_one(other[2], file.checksum)
                if not same and file.size is not None and other[1] is not None:
                    yield Found(
                        view.at("files", index),
                        f"{file.name} comes from where {other[0]} has {other[1]} bytes, {other[2]}; "
                        f"here it is one of {file.size} bytes, {file.checksum}",
                        f"files[{index}]",
                        f"{file.size} {file.checksum}",
                        f"{other[1]} {other[2]}",
                    )


def _may_be_one(one: Digest | None, other: Digest | None) -> bool:
    """Whether two checksums may be of the same bytes: those of two algorithms cannot be compared."""
    return one is None or other is None or one.algorithm != other.algorithm or one == other


def _ir_sizes(view: ModelView) -> Iterator[Found]:
    """Weights in FP16 take half of the bytes that they take in FP32."""
    spec = view.spec
    if spec is None or not spec.is_ir:
        return
    sizes = {file.name: (index, file.size) for index, file in enumerate(spec.files) if file.size}
    for name, (_, large) in sizes.items():
        half = sizes.get(name.replace("FP32/", "FP16/", 1)) if name.startswith("FP32/") else None
        if half is None or not name.endswith(".bin") or half[1] is None or large is None:
            continue
        if not 1.1 < large / half[1] < 2.05:
            yield Found(
                view.at("files", half[0], "size"),
                f"the FP16 weights have {half[1]} bytes, the FP32 weights {large}: not twice as many",
                f"files[{half[0]}].size",
                str(half[1]),
                str(large // 2),
            )


def _source_names(view: ModelView) -> Iterator[Found]:
    """A file's address has the precision and the suffix of its name."""
    spec = view.spec
    for index, file in enumerate(spec.files if spec is not None and spec.is_ir else ()):
        for source in file.sources:
            if not isinstance(source, HttpSource):
                continue
            own, other = _PRECISION.search(file.name), _PRECISION.findall(source.url)
            suffixes = [text.rpartition(".")[2] for text in (file.name, source.url)]
            if (own and other and own[1] not in other) or (set(suffixes) == {"xml", "bin"}):
                yield Found(
                    view.at("files", index, "source"),
                    f"{file.name} comes from {source.url}, which is another file by its name",
                    f"files[{index}].source",
                    source.url,
                    file.name,
                )


def _parts(view: ModelView) -> Iterator[Found]:
    """A composite's stages are its parts, all of them."""
    if not isinstance(view.known, CompositeSpec):
        return
    inside = set(view.zoo.names_by_composite.get(view.name, ()))
    for name in sorted(inside.symmetric_difference(view.known.stages)):
        why = "not listed" if name in inside else "no folder of this composite"
        yield Found(view.at("stages"), f"stages: {name} is {why}", "stages", name)


RULES: tuple[Rule, ...] = (
    Rule(
        "readable",
        Severity.ERROR,
        "model.yml and accuracy-check.yml can be read: what keys hold has the right type and can be meant.",
        "framework: caffee",
        _readable,
    ),
    Rule(
        "too-large",
        Severity.ERROR,
        "A card is no longer than can be read: what lies beyond is not checked.",
        "a README.md of ten megabytes",
        _too_large,
    ),
    Rule(
        "known-keys",
        Severity.ERROR,
        "Every key of model.yml is one that a tool reads: a misspelt one is left out in silence.",
        "licence: https://..., where license is meant",
        _unknown_keys,
    ),
    Rule(
        "safe-sources",
        Severity.ERROR,
        "Files come over https: whoever sits on the way could change what comes over http.",
        "source: http://download.example.org/net.pb",
        _http_sources,
    ),
    Rule(
        "dead-path",
        Severity.ERROR,
        "A file that an argument names is among the files, or is what the export writes.",
        "--input_model=$dl_dir/net.onnx, and the only file is called model.onnx",
        _dead_paths,
    ),
    Rule(
        "generated-flag",
        Severity.ERROR,
        "A flag that the converter passes by itself is not given: twice, one of the two loses.",
        "--model_name=my-model in model_optimizer_args",
        _generated_flags,
    ),
    Rule(
        "misspelt-flag",
        Severity.ERROR,
        "A flag is one that the converter or the export to ONNX knows.",
        "--revers_input_channels",
        _misspelt_flags,
    ),
    Rule(
        "dead-key",
        Severity.ERROR,
        "A key that nothing will ever use is left out: it only misleads.",
        "conversion_to_onnx_args, where --input_model names a downloaded file",
        _dead_keys,
    ),
    Rule(
        "export-mismatch",
        Severity.ERROR,
        "Names and shapes of the export to ONNX are those that the converter asks for.",
        "--output-names=prob in one list, --output=softmax in the other",
        _exported_ends,
    ),
    Rule(
        "same-source",
        Severity.ERROR,
        "One address leads to one file: its size and checksum are the same wherever it is named.",
        "two models that download one URL, with two checksums",
        _same_bytes,
    ),
    Rule(
        "ir-sizes",
        Severity.ERROR,
        "Weights in FP16 take about half of the bytes that they take in FP32.",
        "FP32/net.bin and FP16/net.bin of the same size",
        _ir_sizes,
    ),
    Rule(
        "source-name",
        Severity.ERROR,
        "The address of a published IR's file has the precision and the suffix of the file's name.",
        "FP16/net.bin from https://.../FP32/net.bin",
        _source_names,
    ),
    Rule(
        "parts",
        Severity.ERROR,
        "A composite's stages are its parts, all of them.",
        "stages: [first], and a folder second/ beside first/",
        _parts,
    ),
)
