"""A folder for machines without a network: filled on one that has one, and all that the others need.

    DIR/1/<first two hex digits>/<the others>    published files by their digest, in the layout of a cache
    DIR/models/<public|intel>/<name>/model.yml   what is declared of them: a registry of these models
    DIR/licenses/                                their terms;  DIR/NOTICE: whose they are
    DIR/posezoo.lock                             what every byte must be

Any static file server can serve it, and any copy of it is another one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from posezoo import files, registry
from posezoo.errors import LockError, PosezooError, SpecError, UnknownModelError
from posezoo.events import Listener, ignore
from posezoo.fetch.carrier import Carrier
from posezoo.fetch.download import Place, PlannedFile, planned
from posezoo.fetch.errand import Errand, errand_for
from posezoo.fetch.means import Means
from posezoo.fetch.samples import SAMPLES
from posezoo.fetch.sources import origins_of
from posezoo.fetch.store import entry
from posezoo.fetch.terms import refuse_terms
from posezoo.fetch.transfer import no_pin, transfer
from posezoo.lock import NAME, Lock
from posezoo.lock.agreement import merged
from posezoo.lock.entries import COMPOSITE_YML, MADE, MODEL_YML, Entry, model_key
from posezoo.lock.signature import SUFFIX
from posezoo.lock.survey import declarations, published_entry
from posezoo.notice import Terms, notice
from posezoo.registry import copyright_line, license_text, open_registry
from posezoo.spec.model import Digest, ModelSpec, SourceFile
from posezoo.verify.strays import kind_of, strays_below

NOTICE = "NOTICE"


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a mirror, and its state: good, missing, changed, extra, symlinked or special."""

    model: str
    file: str
    path: Path
    state: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror's folder, which need not be there yet.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def models(self) -> Path:
        """The registry in it."""
        return self.root / "models"

    def lock(self, *, strict: bool = False) -> Lock:
        """The lock in it."""
        return Lock(self.root / NAME, strict=strict)

    def place(self, digest: Digest) -> Path:
        """Where a file of this digest lies."""
        return self.root / entry(digest)

    def plan(self, spec: ModelSpec, means: Means) -> tuple[PlannedFile, ...]:
        """What ``fill`` would do about each file; nothing is written and no server asked.

        Raises:
            LicenseError: the means do not allow its terms.
        """
        refuse_terms(spec, means.allow_licenses)
        spec = self.lock().pinned(spec)
        errand = errand_for(spec, means)
        return tuple(self._planned(file, means, errand) for file in spec.files)

    def fill(
        self,
        spec: ModelSpec,
        means: Means,
        agreed: Lock,
        listener: Listener = ignore,
        carrier: Carrier | None = None,
    ) -> list[Path]:
        """Bring a model's files, its model.yml and terms, and its lines of the lock; good ones stay.

        Args:
            spec: the model.
            means: cache, mirrors and patience.
            agreed: the lock of whoever fills it: pins of first use, and IR, are taken over.
            listener: told what happens.
            carrier: what it shares with others that run beside it; one of its own where None.

        Returns:
            Where the published files lie.

        Raises:
            FetchError: a file is to be had nowhere, or its terms are not allowed.
            LockError: the mirror has a newer model.yml.
            OutputError: something cannot be written.
        """
        refuse_terms(spec, means.allow_licenses)
        spec = self.lock().pinned(agreed.pinned(spec))
        # A mirror that has a newer one is not filled with what an older one declares.
        merged(self.lock().entries, list(declarations(spec, "")), [file.name for file in spec.files])
        if (loose := [file for file in spec.files if not file.is_pinned]) and means.first_use is None:
            raise no_pin(loose)
        paths: dict[str, Path] = {}
        with errand_for(spec, means, listener, carrier=carrier) as errand:

            def bring(file: SourceFile) -> None:
                paths[file.name] = self._bring(file, errand)

            errand.carrier.each(bring, spec.files)
        self._copy_declarations(spec)
        spec = agreed.pinned(spec)  # with what was trusted just now
        lock = self.lock()
        published = (published_entry(spec, file, paths[file.name], lock.now) for file in spec.files)
        found = [*declarations(spec, lock.now), *(each for each in published if each is not None)]
        found += _made(spec, agreed)
        lock.change(lambda entries: merged(entries, found))
        return [paths[file.name] for file in spec.files]

    def add_samples(self, means: Means, listener: Listener = ignore) -> list[Path]:
        """Bring the sample photos, too.

        Raises:
            FetchError: one is to be had nowhere.
        """
        with Errand("samples", means, listener, base=self.root) as errand:
            return [self._bring(photo, errand) for photo in SAMPLES]

    def write_notice(self) -> Path:
        """Write whose the models in it are, and under what terms.

        Raises:
            OutputError: it cannot be written.
        """
        terms = [Terms(spec, holder := copyright_line(spec), license_text(spec) if holder else None, False)
                 for spec in self.specs()]  # fmt: skip
        files.write_whole(self.root / NOTICE, notice(terms).encode())
        return self.root / NOTICE

    def specs(self, names: Collection[str] = ()) -> tuple[ModelSpec, ...]:
        """The models in it, by its own registry and in its lock's order; those of these names where any is.

        Raises:
            LockError: it is no mirror.
        """
        if not (self.root / NAME).is_file():
            raise LockError(
                f"{self.root}: is no mirror: it has no {NAME}", hint="posezoo mirror create makes one"
            )
        declared_in = open_registry([self.models])
        found = []
        for name in dict.fromkeys(
            each.model for each in self.lock().entries.values() if each.file == MODEL_YML
        ):
            if names and name not in names and name.partition("@")[0] not in names:
                continue
            with suppress(UnknownModelError, SpecError):
                spec = declared_in.find(name)
                found += [spec] if isinstance(spec, ModelSpec) else []
        return tuple(found)

    def check(self, names: Collection[str] = ()) -> Iterator[Found]:
        """Every file that the mirror's lock names, read again; then, of the whole, what else is there.

        Raises:
            LockError: it is no mirror.
        """
        lock, known = self.lock(), {self.root / each for each in (NAME, NAME + SUFFIX, NOTICE)}
        specs = {model_key(spec): spec for spec in self.specs(names)}
        places = {name: each.path for name, each in self._entries().items()}
        for line in lock.entries.values():
            wanted = _is_among(line.model, names)
            if line.file in (MODEL_YML, COMPOSITE_YML) and wanted:
                name = line.model.partition("@")[0]
                path = places.get(name, self.models / "public" / name / line.file)
                known.add(path)
                state = _state(path, line.size, Digest("sha384", line.sha384))
                yield Found(line.model, line.file, path, state)
            elif line.origin != MADE and wanted:
                path, digest = self._stored(line, specs.get(line.model))
                known.add(path)
                yield Found(line.model, line.file, path, _state(path, line.size, digest))
        if names:
            return
        for spec in specs.values():
            known |= {self.root / "licenses" / spec.license.text, spec.path.with_name("pre-convert.py")}
        for photo in SAMPLES:  # in no lock: posezoo itself says what they are
            if photo.checksum is not None and (path := self.place(photo.checksum)).exists():
                known.add(path)
                yield Found("samples", photo.name, path, _state(path, photo.size or 0, photo.checksum))
        needed = {above for path in known for above in path.parents} | {self.root / "1" / "staging"}
        for path, state in strays_below(self.root, known, needed):
            yield Found("", path.relative_to(self.root).as_posix(), path, state)

    def _planned(self, file: SourceFile, means: Means, errand: Errand) -> PlannedFile:
        target = self.place(file.checksum) if file.checksum is not None else self._staged(file)
        if not file.is_pinned and means.first_use is None:
            return PlannedFile(file, target, Place.SOURCE, (), is_refused=True)
        return planned(file, target, origins_of(file, errand))

    def _bring(self, file: SourceFile, errand: Errand) -> Path:
        """A file in its place; one whose digest nobody knew goes there once it is known."""
        if file.checksum is not None:
            transfer(file, self.place(file.checksum), origins_of(file, errand), errand)
            return self.place(file.checksum)
        staged = self._staged(file)
        transfer(file, staged, origins_of(file, errand), errand)
        target = self.place(files.digest_of(staged))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
        except OSError as error:
            raise files.cannot_write(target, error) from error
        return target

    def _staged(self, file: SourceFile) -> Path:
        said = repr((file.name, [str(source) for source in file.sources], dict(file.contains)))
        return self.root / "1" / "staging" / sha256(said.encode(errors="surrogateescape")).hexdigest()[:32]

    def _copy_declarations(self, spec: ModelSpec) -> None:
        folder = self.models / replace(spec, is_default=True).subdirectory
        copies = {folder / MODEL_YML: spec.path}
        if spec.composite:
            copies[folder.parent / COMPOSITE_YML] = spec.path.parents[1] / COMPOSITE_YML
        if spec.has_pre_convert:  # never run, but its being there says by which route the model goes
            copies[folder / "pre-convert.py"] = spec.path.with_name("pre-convert.py")
        if copyright_line(spec):
            copies[self.root / "licenses" / spec.license.text] = license_text(spec)
        for target, source in copies.items():
            try:
                content = source.read_bytes()
            except OSError as error:
                raise PosezooError(f"{source}: cannot be read: {error.strerror or error}") from error
            if not target.is_file() or target.is_symlink() or target.read_bytes() != content:
                files.write_whole(target, content)

    def _entries(self) -> Mapping[str, registry.Entry]:
        """What its registry declares, by name; nothing where that is gone."""
        return open_registry([self.models]).entries if self.models.is_dir() else {}

    def _stored(self, line: Entry, spec: ModelSpec | None) -> tuple[Path, Digest]:
        """Where a published file of the lock lies, and its digest: the declared one names its place."""
        digest = Digest("sha384", line.sha384)
        for file in spec.files if spec is not None else ():
            if file.name == line.file and file.checksum is not None:
                return self.place(file.checksum), digest
        return self.place(digest), digest


def _is_among(model: str, names: Collection[str]) -> bool:
    return not names or model in names or model.partition("@")[0] in names


def _made(spec: ModelSpec, agreed: Lock) -> list[Entry]:
    """The IR that whoever fills the mirror agreed to, with this very model.yml."""
    entries = agreed.entries
    known = entries.get((model_key(spec), MODEL_YML, False))
    if known is None or not next(declarations(spec, "")).says_the_same(known):
        return []
    return [each for each in entries.values() if each.origin == MADE and each.model == model_key(spec)]


def _state(path: Path, size: int, digest: Digest) -> str:
    if kind := kind_of(path):
        return kind
    if not path.exists():
        return "missing"
    return "good" if files.is_good(path, size, digest, rehash=True) else "changed"
