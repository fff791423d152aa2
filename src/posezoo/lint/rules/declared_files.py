"""Rules that need only model.yml: whether it can be read, and its keys, addresses, sizes and
parts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

from posezoo.core.declarations.model import CompositeSpec, SourceFile
from posezoo.core.declarations.sources import HttpSource, NpmPackageSource
from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.download.http_connections import is_private
from posezoo.core.errors import SpecError, redact_secrets
from posezoo.formats import list_endings
from posezoo.lint.accuracy_check_yml import list_leaves, text_below
from posezoo.lint.finding import FileLocation, RuleViolation, Severity, Violations, describe_error
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.metrics import is_archive

#: A part of a name with eight hexadecimal digits, at least one of them a letter: others may be
#: dates.
_HASH = re.compile(r"-(?=[0-9]{0,7}[a-f])([0-9a-f]{8})(?=\.[a-z])")
#: Each file is compared with this many others with the same address or checksum.
MAX_COMPARED = 20
#: The files that several frameworks write; .json is a graph model of TensorFlow.js.
_SHARED_ENDINGS = {
    ".pb": "tf caffe2", ".onnx": "onnx pytorch", ".params": "mxnet pytorch",
    ".json": "tf mxnet pytorch", ".ckpt": "tf pytorch",
}  # fmt: skip
_PRECISION = re.compile(r"(?:^|/)(FP(?:32|16)(?:-INT(?:8|1))?)/")


@rule()
def readable(view: ModelView) -> Violations:
    """model.yml and accuracy-check.yml can be read: every value has the right type and an allowed
    value.

    Example: framework: caffee
    """
    for error in (view.parsed, view.accuracy_check):
        if isinstance(error, SpecError):
            yield RuleViolation(error, describe_error(error), error.field)


@rule()
def too_large(view: ModelView) -> Violations:
    """A card is not larger than the limit: posezoo does not check the text after it.

    Example: a README.md of ten megabytes
    """
    if view.own_card and view.own_card.truncation_note:
        message = f"the card is too large: {view.own_card.truncation_note}"
        yield RuleViolation(view.card_line(), message, "card")


@rule()
def known_keys(view: ModelView) -> Violations:
    """Every key of model.yml is known: other commands leave out what they do not know, with a
    warning. In Open Model Zoo's form, a key that is not similar to a known one is only a warning.

    Example: licence: https://..., where license is meant
    """
    if isinstance(view.parsed, SpecError):
        return
    for key in view.parsed.unknown_keys:
        place = FileLocation(key.file, key.line, key.column)
        message = f"{key.field}: unknown key, left out"
        severity = None if key.hint or view.is_native else Severity.WARNING
        if key.hint:
            message += f"; {key.hint}"
        yield RuleViolation(
            place, message, key.field, key.field, expected=key.hint, severity=severity
        )


@rule()
def safe_sources(view: ModelView) -> Violations:
    """Files are downloaded over https, without a login in the address: with http, an attacker on
    the network could change them. This is a warning for an original_source, which is tried last and
    often only documents the origin, and for a private IP address, if the file has a SHA-384.

    Example: source: http://download.example.org/net.pb
    """
    for index, file, source in view.sources:
        if not isinstance(source, HttpSource):
            continue
        field = f"files[{index}].source"
        if "@" in urlsplit(source.url).netloc:
            message = f"{file.name} comes from an address with a login, which everybody can read"
            yield view.declared(field, f"{message}: {source}", str(source))
        if not source.url.startswith("https://"):
            nodes = (node for node in list_leaves(view.model_yml) if node.value == source.url)
            place = next(nodes, view.location("files", index))
            message = f"{file.name} comes from {source}, which is not https"
            expected = redact_secrets(f"https{source.url[4:]}")
            is_origin = isinstance(place, YamlNode) and "original_source" in place.field_path
            is_pinned = file.checksum is not None and file.checksum.algorithm == "sha384"
            is_own = is_pinned and is_private(urlsplit(source.url).hostname or "")
            severity = Severity.WARNING if is_origin or is_own else None
            yield RuleViolation(
                place, message, field, str(source), expected=expected, severity=severity
            )


@rule()
def source_name(view: ModelView) -> Violations:
    """The address of a published IR's file has the same precision and suffix as the file's name.

    Example: FP16/net.bin from https://.../FP32/net.bin
    """
    stems = set()  # two files that were swapped are one mistake
    for index, file, source in view.sources:
        precision = _PRECISION.search(file.name)
        others = _PRECISION.findall(str(source))
        is_other = precision is not None and others != [] and precision[1] not in others
        stem, _, suffix = file.name.rpartition(".")
        suffixes = {suffix, str(source).rpartition(".")[2]}
        if view.spec.is_ir and stem not in stems and (is_other or suffixes == {"xml", "bin"}):
            stems.add(stem)
            message = f"{file.name} comes from {source}, whose name is that of another file"
            yield view.declared(f"files[{index}].source", message, str(source), file.name)


@rule()
def hash_name(view: ModelView) -> Violations:
    """The hash in a file's name or address, and the tag of its variant, are the beginning of its
    checksum.

    Example: resnet18-5c106cde.pth with the SHA-256 5c106cdf...
    """
    files = [(each, *pair) for each in view.variants for pair in enumerate(each.files)]
    for variant, index, file in files:
        # The hash in the name of an OpenMMLab archive is that of the checkpoint before its export.
        digests = [digest for digest in file.contains.values() if digest.algorithm == "sha1"]
        if not is_archive(file.name):  # the hash may be that of a member
            digests.extend(file.digests)
        values = [digest.value for digest in digests if digest.algorithm in ("sha1", "sha256")]
        tag = f"-{variant.tag}.params" if digests else ""
        texts = " ".join((file.name, *file.contains, variant.checkpoint, tag, *file.addresses))
        for digits in dict.fromkeys(_HASH.findall(texts) if values else ()):
            if not any(value.startswith(digits) for value in values):
                message = f"{file.name}: {digits} is not the beginning of {' or '.join(values)}"
                yield view.declared(f"files[{index}]", message, digits, values[0], variant=variant)


@rule(unless=("source-name", "hash-name"))
def same_source(view: ModelView) -> Violations:
    """Files with the same address have the same size and checksum, and a model declares such a file
    once. Files with the same checksum have the same size.

    Example: two models that download one URL, with two checksums
    """
    for variant in view.variants:
        for index, file in enumerate(variant.files):
            for name, other in _find_same(view, file):
                if name == view.name and other in variant.files[index:]:
                    continue  # the later one of both reports it
                message = _compare_files(file, other, name, is_own=name == view.name)
                if message and not _is_usual(view, file, other):  # else the other one reports it
                    texts = (f"{file.size} {file.checksum}", f"{other.size} {other.checksum}")
                    yield view.declared(f"files[{index}]", message, *texts, variant=variant)
                    break


def _is_usual(view: ModelView, file: SourceFile, other: SourceFile) -> bool:
    votes = {(name, each.size, each.checksum) for name, each in _find_same(view, file)}
    counts = Counter((size, checksum) for _, size, checksum in votes)
    return counts[file.size, file.checksum] > counts[other.size, other.checksum]


def _find_same(view: ModelView, file: SourceFile) -> Iterator[tuple[str, SourceFile]]:
    for key in _file_keys(file):
        if view.find_owner(key):
            continue  # another rule reports an address that names the other model
        for name, other in view.zoo.group(_read_file_keys)[key][:MAX_COMPARED]:
            if not view.zoo.models[name].find_owner(key):
                yield name, other


def _file_keys(file: SourceFile) -> list[str]:
    checksum = [file.checksum.value] if file.checksum else []
    return [*file.addresses, *checksum]


def _read_file_keys(view: ModelView) -> Iterator[tuple[str, tuple[str, SourceFile]]]:
    for variant in view.variants:
        for file in variant.files:
            for key in _file_keys(file):
                yield key, (view.name, file)


def _compare_files(file: SourceFile, other: SourceFile, name: str, *, is_own: bool) -> str:
    digest = file.checksum
    digests = {digest, other.checksum}
    # Checksums of different algorithms cannot be compared.
    algorithms = {each.algorithm for each in digests if each}
    is_other = None not in digests and len(digests) == 2 and len(algorithms) == 1
    is_twice = is_own and not set(other.sources).isdisjoint(file.sources)
    is_sized = file.size and other.size
    if not is_twice and not (is_sized and (file.size != other.size or is_other)):
        return ""
    what = "checksum" if digest == other.checksum and digest else "address"
    return (
        f"{file.name} has the same {what} as {other.name} of {name}, which is declared there with"
        f" {other.size} bytes, {other.pin_text}, and here with {file.size} bytes, {digest}"
    )


@rule()
def same_package(view: ModelView) -> Violations:
    """A version of a package has one digest and one size, for all models that use its files.

    Example: tarball_size: 144509169, and 14450916 for another file of the same package
    """
    for index, file, source in view.sources:
        if not isinstance(source, NpmPackageSource):
            continue
        facts = _package_facts(source)
        all_facts = view.zoo.group(_read_packages)[source.package, source.version]
        usual, count = Counter(all_facts).most_common(1)[0]
        if facts != usual and count > all_facts.count(facts):
            message = f"{file.name}: {source.package} {source.version} has {facts} here"
            message += f", and {usual} for {count} other files"
            yield view.declared(f"files[{index}].source", message, facts, usual)


def _read_packages(view: ModelView) -> Iterator[tuple[tuple[str, str], str]]:
    for _, _, source in view.sources:
        if isinstance(source, NpmPackageSource):
            yield (source.package, source.version), _package_facts(source)


def _package_facts(source: NpmPackageSource) -> str:
    return f"{source.tarball_size or 'no'} bytes and the digest {source.integrity}"


@rule()
def ir_pairs(view: ModelView) -> Violations:
    """Each .xml of a published IR has its .bin.

    Example: FP16/net.xml without FP16/net.bin
    """
    files = view.spec.files if view.spec.is_ir else ()
    names = {file.name for file in files}
    for index, file in enumerate(files):
        stem, _, suffix = file.name.rpartition(".")
        other = {"xml": f"{stem}.bin", "bin": f"{stem}.xml"}.get(suffix)
        if other is not None and other not in names:
            message = f"{file.name} is declared without {other}"
            yield view.declared(f"files[{index}]", message, file.name, other)


@rule()
def framework_files(view: ModelView) -> Violations:
    """The framework fits the kind of its files.

    Example: framework: tf and a file net.tflite
    """
    spec = view.spec
    frameworks = list_endings() | _SHARED_ENDINGS
    if spec.framework.value not in " ".join(frameworks.values()).split():
        return
    if spec.has_pre_convert:  # the framework is that of the file it makes
        return
    contained = chain.from_iterable(file.contains for file in spec.files)
    names = [spec.checkpoint, *spec.file_names, *contained]
    suffixes = sorted(each for each in frameworks if any(name.endswith(each) for name in names))
    allowed = "pytorch"
    if spec.network is None:
        allowed = " ".join(frameworks[suffix] for suffix in suffixes)
    if any(name.endswith(".json") and f"{name[:-5]}.bin" in names for name in names):
        allowed = "tf"  # a graph model of TensorFlow.js
    if allowed and spec.framework.value not in allowed.split():
        files = ", ".join(suffixes) if spec.network is None else f"the network {spec.network.name}"
        message = f"framework is {spec.framework}, but {files} is of {allowed}"
        yield view.declared("framework", message, spec.framework, allowed)


@rule()
def parts(view: ModelView) -> Violations:
    """The stages of a composite are its parts, the models in its folder, and parts of other
    composites; they have the framework and the license that it states for them.

    Example: stages: [first], and a folder second/ beside first/
    """
    if not isinstance(view.parsed, CompositeSpec):
        return
    parts_by_composite = view.zoo.parts_by_composite
    folders = set(parts_by_composite[view.name])
    stages = set(view.parsed.stages)
    unknown = stages.difference(*parts_by_composite.values())
    for name in sorted((folders - stages) | unknown):
        reason = "not a folder of this composite or of another one"
        if name in folders:
            reason = "not listed"
        yield view.declared("stages", f"stages: {name} is {reason}", name)
    for key in ("framework", "license"):
        expected = text_below(view.model_yml, key)
        for name in sorted(folders):
            part = view.zoo.models[name]
            text = text_below(part.model_yml, key)
            if expected and text not in ("", expected):
                message = f"{key} is {text} in {name}, and {expected} in the composite {view.name}"
                yield part.declared(key, message, text, expected)
