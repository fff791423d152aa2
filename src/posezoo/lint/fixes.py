"""What --fix changes in model.yml: addresses for which a rule knows the right one; the size of a
file that is here with the declared digest; and its SHA-384, if only a SHA-256 is declared, as in
Open Model Zoo 2021.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import unified_diff
from itertools import chain
from pathlib import Path

from posezoo.core.declarations.model import Digest, ModelSpec, SourceFile
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml_bytes
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.errors import OutputError, SpecError
from posezoo.core.files.verified_files import compute_digests, write_atomically
from posezoo.core.layout import require_inside
from posezoo.core.registry import Registry
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.lint.accuracy_check_yml import find_node, list_files, list_leaves
from posezoo.lint.finding import Finding
from posezoo.lint.yaml_edits import YamlEdit, apply_edits

#: The rules whose findings name the address of the same file. Of safe-sources, nobody knows whether
#: the host has https.
ADDRESS_RULES = ("page-source",)


@frozen
class Fix:
    """The changed text of one file, and what changed in it."""

    path: Path
    before: bytes
    after: bytes
    changes: tuple[str, ...]  # for each: source, size or digest

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = (
            text.decode("utf-8", "replace").splitlines(keepends=True)
            for text in (self.before, self.after)
        )
        return "".join(unified_diff(old, new, f"{self.path}", f"{self.path}"))

    def write(self, roots: Sequence[Path]) -> None:
        """Write the file atomically, with the permissions that it had.

        Raises:
            OutputError: it cannot be written, is a link, or is behind a link that leads out of the
                roots of its registry.
        """
        path = self.path
        if path.is_symlink():
            raise OutputError(
                f"{path}: is not changed, since it is a link to {path.resolve()}",
                hint="change that file itself",
            )
        require_inside(path, roots)
        mode = path.stat().st_mode
        write_atomically(path, self.after)
        with suppress(OSError):  # only its owner may change them
            path.chmod(mode)


def find_fixes(
    findings: Iterable[Finding], registry: Registry, names: Iterable[str], context: Context
) -> Iterator[Fix | SpecError]:
    """The changes to the files of these models, and an error for each file that needs a change but
    cannot be changed in place.

    Files of models are only read from folders of this machine: the download folder, the cache, a
    mirror, and the folder of the model.yml.
    """
    addresses: dict[str, dict[str, str]] = {}
    for finding in findings:
        if finding.rule in ADDRESS_RULES and finding.expected.startswith("https://"):
            addresses.setdefault(finding.file, {})[finding.found] = finding.expected
    for name in names:
        entry = registry.entries[name]
        with suppress(SpecError):  # a file that cannot be read is never changed
            spec = entry.read()
            before = read_yaml_bytes(entry.path)
            tree = parse_yaml(before, str(entry.path))
            if not isinstance(spec, ModelSpec):
                continue
            files = _list_files(tree, spec)
            of_files = addresses.get(str(entry.path), {})
            edits = []
            for leaf in chain.from_iterable(list_leaves(declared.node) for declared in files):
                expected = of_files.get(f"{leaf.value}")
                if expected and "source" in leaf.field_path:
                    edits.append(("source", YamlEdit(leaf, expected)))
            edits += _edit_files(files, context)
            if not edits:
                continue
            try:
                after = apply_edits(before, [edit for _, edit in edits])
                yield Fix(entry.path, before, after, tuple(kind for kind, _ in edits))
            except SpecError as error:
                yield error


@frozen
class _DeclaredFile:
    """A file of a variant, and its node in model.yml."""

    variant: ModelSpec
    file: SourceFile
    node: YamlNode


def _list_files(tree: YamlNode, spec: ModelSpec) -> list[_DeclaredFile]:
    """The files of all variants; a file that several variants share is there once."""
    files: dict[str, _DeclaredFile] = {}
    for variant in (spec, *spec.variants):
        for file, node in zip(variant.files, list_files(tree, variant.tag), strict=True):
            files.setdefault(node.field_path, _DeclaredFile(variant, file, node))
    return list(files.values())


def _edit_files(files: Iterable[_DeclaredFile], context: Context) -> Iterator[tuple[str, YamlEdit]]:
    """The digest and the size of each file that is here with its declared digest."""
    for declared in files:
        file = declared.file
        size = find_node(declared.node, "size")
        sha256 = find_node(declared.node, "sha256")
        is_older = file.checksum is not None and file.checksum.algorithm == "sha256"
        if size is None or file.size is None:
            continue
        here = _find_here(file, declared.variant, context)
        if here is None:
            continue
        actual_size, sha384 = here
        if actual_size != file.size:
            yield "size", YamlEdit(size, f"{actual_size}")
        if is_older and sha256:
            yield "digest", YamlEdit(sha256, sha384.value, key="checksum")


def _find_here(file: SourceFile, spec: ModelSpec, context: Context) -> tuple[int, Digest] | None:
    """The size and the SHA-384 of a file of this machine that has the declared digests; None if
    there is none.
    """
    download = DownloadContext(spec, context.download_options)
    stored = (candidate.path for candidate in store_candidates(file, download))
    folder = spec.path.parent
    names = (file.name, file.name.rpartition("/")[2])
    paths = [context.layout.file_path(spec, file), *(folder / name for name in names), *stored]
    algorithms = [digest.algorithm for digest in file.digests]
    for path in dict.fromkeys(filter(None, paths)):
        with suppress(OSError):
            *declared, sha384 = compute_digests(path, [*algorithms, "sha384"])
            if declared and tuple(declared) == file.digests:
                return path.stat().st_size, sha384
    return None
