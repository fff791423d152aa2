"""model.yml <-> ModelSpec: every key, its type, and what it may hold.

The format is described, by example, in docs/model_yml.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from posezoo.spec.model import (
    ColorOrder,
    CompositeSpec,
    Decoder,
    Digest,
    Family,
    FileSource,
    Framework,
    HttpSource,
    Input,
    License,
    ModelSpec,
    Origin,
    Output,
    PythonPackageSource,
    SelfCheck,
    Source,
    SourceFile,
    Wheel,
)
from posezoo.spec.names import folded, why_not_a_file_name
from posezoo.spec.reader import Fields, Node, read, shown

MODEL_KEYS = (
    "description", "task_type", "framework", "license", "origin", "revision",
    "files", "inputs", "outputs", "decoder", "skeleton", "self_check",
)  # fmt: skip
COMPOSITE_KEYS = ("description", "task_type", "stages", "decoder", "skeleton")
TASKS = ("human_pose_estimation", "human_pose_estimation_3d", "detection")

Item = TypeVar("Item")

_HEX_LENGTH = {"sha384": 96, "sha256": 64}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
#: name-version(-build)-python-abi-platform.whl (PEP 427)
_WHEEL = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")


def read_model(path: Path, *, family: Family, name: str, composite: str = "") -> ModelSpec:
    """The model that a model.yml declares; its name and family are those of its folders.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    top = read(path).fields(MODEL_KEYS)
    inputs = _list(top.get("inputs"), _input)
    outputs = _list(top.get("outputs"), _output)
    _refuse_twins(top.get("inputs"), [each.name for each in inputs])
    _refuse_twins(top.get("outputs"), [each.name for each in outputs])
    return ModelSpec(
        name=name,
        family=family,
        composite=composite,
        path=path,
        description=_line(top["description"]),
        task=top["task_type"].word(TASKS),
        framework=Framework(top["framework"].word(Framework)),
        license=_license(top["license"]),
        files=_files(top["files"]),
        inputs=inputs,
        outputs=outputs,
        decoder=_decoder(top.get("decoder")),
        skeleton=_word(top.get("skeleton")),
        origin=_origin(top.get("origin")),
        self_check=_self_check(top.get("self_check"), [each.name for each in outputs]),
        revision=_revision(top.get("revision")),
    )


def read_composite(path: Path, *, family: Family, name: str) -> CompositeSpec:
    """The composite that a composite-model.yml declares.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    top = read(path).fields(COMPOSITE_KEYS)
    stages = _list(top["stages"], _word)
    _refuse_twins(top["stages"], list(stages))
    if not stages:
        raise top["stages"].error("is empty: a composite needs its parts, in the order they run in")
    return CompositeSpec(
        name=name,
        family=family,
        path=path,
        description=_line(top["description"]),
        task=top["task_type"].word(TASKS),
        stages=stages,
        decoder=_decoder(top.get("decoder")),
        skeleton=_word(top.get("skeleton")),
    )


def _list(node: Node | None, parse: Callable[[Node], Item]) -> tuple[Item, ...]:
    return tuple(parse(item) for item in node.items()) if node is not None else ()


def _line(node: Node) -> str:
    return " ".join(node.text().split())


def _word(node: Node | None) -> str:
    if node is None:
        return ""
    text = node.text()
    if not _WORD.fullmatch(text):
        raise node.error(f"expected letters, digits, and . _ + - after the first, got {shown(text)}")
    return text


def _revision(node: Node | None) -> int:
    return node.integer(minimum=1, maximum=1_000_000) if node is not None else 1


def _refuse_twins(node: Node | None, names: list[str]) -> None:
    for index, name in enumerate(names):
        if node is not None and name in names[:index]:
            raise node.items()[index].error(f"{name} is there already")


def _files(node: Node) -> tuple[SourceFile, ...]:
    files = tuple(_file(item) for item in node.items())
    seen: dict[str, str] = {}
    for item, file in zip(node.items(), files, strict=True):
        twin = seen.setdefault(folded(file.name), file.name)
        if twin is not file.name:
            same = (
                "is there already" if twin == file.name else f"is one file with {twin} where case is ignored"
            )
            raise item.fields()["name"].error(f"{file.name} {same}")
    if not files:
        raise node.error("is empty: a model needs at least one file")
    return files


def _file(node: Node) -> SourceFile:
    fields = node.fields(("name", "size", "checksum", "sha256", "source"))
    return SourceFile(
        name=_file_name(fields["name"]),
        size=fields["size"].integer(minimum=0),
        checksum=_checksum(fields),
        sources=_sources(fields["source"]),
    )


def _file_name(node: Node) -> str:
    name = node.text()
    if why := why_not_a_file_name(name):
        raise node.error(f"{shown(name)} {why}", hint="use a relative path with / between its parts")
    return name


def _checksum(fields: Fields) -> Digest:
    older = fields.get("sha256")
    if older is not None:
        return _hex(older, "sha256")
    node = fields["checksum"]
    if node.is_text():
        return _hex(node, "sha384")
    tagged = node.fields(("$type", "value"))
    return _hex(tagged["value"], tagged["$type"].word(_HEX_LENGTH))


def _hex(node: Node, algorithm: str) -> Digest:
    text, length = node.text().lower(), _HEX_LENGTH[algorithm]
    if not re.fullmatch(f"[0-9a-f]{{{length}}}", text):
        raise node.error(f"expected {length} hex digits of {algorithm.upper()}, got {shown(text)}")
    return Digest(algorithm, text)


def _sources(node: Node) -> tuple[Source, ...]:
    if not isinstance(node.value, list):
        return (_source(node),)
    sources = _list(node, _source)
    if not sources:
        raise node.error("is empty: a file needs at least one source")
    return sources


def _source(node: Node) -> Source:
    if node.is_text():
        return _url(node)
    kind = node.fields()["$type"].word(_SOURCES)
    return _SOURCES[kind](node)


def _http_source(node: Node) -> Source:
    return _url(node.fields(("$type", "url"))["url"])


def _file_source(node: Node) -> Source:
    return FileSource(_local_path(node.fields(("$type", "path"))["path"]))


def _local_path(node: Node) -> Path:
    """A path of this machine: any will do, since the digest decides."""
    return Path(_line(node))


def _url(node: Node) -> Source:
    text = node.text()
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError as error:
        raise node.error(f"not an address: {shown(text)}") from error
    if re.search(r"[\s\x00-\x20\x7f]", text):
        raise node.error(f"an address holds no blanks: {shown(text)}")
    if url.scheme == "file":
        return FileSource(Path(unquote(url.path)))
    if url.scheme not in ("http", "https") or not host:
        raise node.error(f"expected an http(s) or file address, got {shown(text)}")
    return HttpSource(text)


def _python_package_source(node: Node) -> Source:
    fields = node.fields(("$type", "package", "version", "wheel", "member"))
    wheel = fields["wheel"].fields(("name", "size", "sha256"))
    return PythonPackageSource(
        package=_matching(fields["package"], _PACKAGE, "a package name"),
        version=_word(fields["version"]),
        wheel=Wheel(
            name=_matching(wheel["name"], _WHEEL, "the file name of a wheel"),
            size=wheel["size"].integer(minimum=1),
            sha256=_hex(wheel["sha256"], "sha256").value,
        ),
        member=_file_name(fields["member"]),
    )


def _matching(node: Node, pattern: re.Pattern[str], what: str) -> str:
    text = node.text()
    if not pattern.fullmatch(text):
        raise node.error(f"expected {what}, got {shown(text)}")
    return text


#: How each kind of source is read; how it is fetched stands in ``fetch.sources.SOURCES``.
_SOURCES: dict[str, Callable[[Node], Source]] = {
    "http": _http_source,
    "file": _file_source,
    "python_package": _python_package_source,
}


def _input(node: Node) -> Input:
    fields = node.fields(("name", "shape", "layout", "color", "mean", "scale", "reverse_input_channels"))
    shape = _shape(fields["shape"])
    layout = _layout(fields.get("layout"), shape)
    channels = shape[layout.index("C")] if "C" in layout else 0
    color = fields.get("color")
    reverse = fields.get("reverse_input_channels")
    parsed = Input(
        name=fields["name"].text(),
        shape=shape,
        layout=layout,
        color=ColorOrder(color.word(ColorOrder)) if color is not None else None,
        mean=_per_channel(fields.get("mean"), channels),
        scale=_per_channel(fields.get("scale"), channels),
        reverse_input_channels=reverse.boolean() if reverse is not None else False,
    )
    if (scale := fields.get("scale")) is not None and 0.0 in parsed.scale:
        raise scale.error("a scale of 0 divides by nothing")
    if (parsed.color or parsed.reverse_input_channels) and channels != 3:
        raise node.error("a colour order needs a layout with C and three channels there")
    return parsed


def _shape(node: Node) -> tuple[int, ...]:
    shape = tuple(item.integer(minimum=-1, maximum=1 << 24) for item in node.items(maximum=8))
    if not shape or 0 in shape:
        raise node.error("expected sizes of at least 1, or -1 where any size will do")
    return shape


def _layout(node: Node | None, shape: tuple[int, ...]) -> str:
    if node is None:
        return ""
    text = node.text()
    if not re.fullmatch(r"[A-Z?]+", text) or len(set(text.replace("?", ""))) != len(text.replace("?", "")):
        raise node.error(f"expected different capital letters such as NCHW, got {shown(text)}")
    if len(text) != len(shape):
        raise node.error(f"{text} names {len(text)} dimensions, the shape has {len(shape)}")
    return text


def _per_channel(node: Node | None, channels: int) -> tuple[float, ...]:
    if node is None:
        return ()
    values = tuple(item.number() for item in node.items(maximum=4096))
    if len(values) != channels:
        raise node.error(
            f"expected {channels} values, one for each channel, got {len(values)}"
            if channels > 0
            else "needs a layout with C and a fixed number of channels there"
        )
    return values


def _output(node: Node) -> Output:
    fields = node.fields(("name", "shape", "layout", "role", "note"))
    shape = _shape(fields["shape"])
    note = fields.get("note")
    return Output(
        name=fields["name"].text(),
        shape=shape,
        layout=_layout(fields.get("layout"), shape),
        role=_word(fields.get("role")),
        note=_line(note) if note is not None else "",
    )


def _decoder(node: Node | None) -> Decoder | None:
    if node is None:
        return None
    fields = node.fields()
    options = {key: value.scalar() for key, value in fields if key != "name"}
    return Decoder(_word(fields["name"]), options)


def _license(node: Node) -> License:
    if node.is_text():
        return License(url=node.text())
    fields = node.fields(("spdx", "text"))
    return License(spdx=_word(fields["spdx"]), text=_file_name(fields["text"]))


def _origin(node: Node | None) -> Origin:
    if node is None:
        return Origin()
    fields = node.fields(("repository", "paper"))
    return Origin(repository=_web_address(fields.get("repository")), paper=_web_address(fields.get("paper")))


def _web_address(node: Node | None) -> str:
    if node is None:
        return ""
    source = _url(node)
    if not isinstance(source, HttpSource):
        raise node.error("expected an http(s) address")
    return source.url


def _self_check(node: Node | None, outputs: list[str]) -> SelfCheck:
    if node is None:
        return SelfCheck()
    fields = node.fields(("measure", "inputs", "tolerance", "reason"))
    measure, inputs, tolerance = fields.get("measure"), fields.get("inputs"), fields.get("tolerance")
    return SelfCheck(
        measure=measure.word(("max", "median")) if measure is not None else "max",
        inputs=inputs.word(("noise", "photo")) if inputs is not None else "noise",
        tolerance=_tolerance(tolerance, outputs) if tolerance is not None else {},
        reason=_line(fields["reason"]),
    )


def _tolerance(node: Node, outputs: list[str]) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name, value in node.fields([*outputs, "*"]):
        bounds[name] = value.number()
        if not 0 < bounds[name] < 1:
            raise value.error("expected a share between 0 and 1")
    return bounds
