"""From a model's name to its files, its IR, its card and its estimator; what is there already is not made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import (
    ConversionError,
    InferenceError,
    SettingsError,
    SpecError,
    UnknownModelError,
)
from posezoo.events import Listener, ModelConversionUpToDate, ignore
from posezoo.fetch.means import Means
from posezoo.layout import Layout
from posezoo.lock import Lock
from posezoo.registry import Registry, open_registry
from posezoo.settings import Settings, user_folder
from posezoo.spec.model import (
    CompositeSpec,
    Decoder,
    Framework,
    ModelSpec,
    NetworkChoice,
    Precision,
    Route,
)
from posezoo.spec.routes import Way, in_words, opened, way_of
from posezoo.zoo import quantizing
from posezoo.zoo.plans import ModelPlan, not_published

if TYPE_CHECKING:
    from posezoo.convert.model_optimizer import ModelOptimizer
    from posezoo.convert.plan import Plan
    from posezoo.estimator import Estimator
    from posezoo.fetch.carrier import Carrier
    from posezoo.fetch.download import PlannedFile

Model = ModelSpec | CompositeSpec

#: Who finds people for models that see one at a time, unless the settings name another.
USUAL_DETECTOR = "person-detection-retail-0013"


@dataclass(frozen=True, slots=True)
class Zoo:
    """Where models are declared, where their artifacts lie, and by what means they may be fetched."""

    settings: Settings
    registry: Registry
    layout: Layout
    means: Means
    lock: Lock
    mo_python: Path | None = None  # what starts the Model Optimizer, where it is not the Python beside it
    allow_upstream_code: bool = False  # whether code that comes with a model may be run

    def way(self, spec: ModelSpec) -> Way:
        """By which route a model becomes IR here, or why by none: a Model Optimizer may be at hand."""
        way = way_of(spec)
        comes_with_code = spec.has_pre_convert or bool(spec.upstream_export)
        if way.route is Route.UPSTREAM_CODE and self.allow_upstream_code and comes_with_code:
            rest = self.way(self._after_upstream(spec))
            return opened(way) if rest.is_open else rest
        return opened(way) if way.route is Route.MO and self.has_mo else way

    def with_our_network(self, spec: ModelSpec) -> ModelSpec:
        """A foreign zoo's PyTorch model with the network of ours that takes its weights; else as it is.

        It is known by the name of a model of our own registry, and by a file of weights of the same size.
        """
        if spec.framework is not Framework.PYTORCH or spec.network is not None:
            return spec
        registry = _own_registry()
        entry = registry.find(spec.name) if spec.name in registry.entries else None
        if not isinstance(entry, ModelSpec) or entry.network is None:
            return spec
        is_packed = entry.checkpoint not in {file.name for file in entry.files}
        sizes = {file.size for file in entry.files if is_packed or file.name == entry.checkpoint}
        names = [file.name for file in spec.files if file.size is not None and file.size in sizes]
        if len(names) != 1 or is_packed != bool(spec.postprocessing):
            return spec
        taken = {name: getattr(entry, name) for name in ("network", "self_check", "decoder", "skeleton")}
        return replace(spec, **taken, checkpoint=entry.checkpoint if is_packed else names[0])

    def _code_of(self, spec: ModelSpec) -> tuple[str, ...]:
        from posezoo.convert.upstream import what_runs

        return what_runs(spec)

    def _after_upstream(self, spec: ModelSpec) -> ModelSpec:
        """What is left to be converted once a model's code has run."""
        from posezoo.convert.upstream import after

        return after(spec)

    @property
    def has_mo(self) -> bool:
        """Whether a Model Optimizer was named."""
        return self.settings.mo is not None or self.mo_python is not None

    def _model_optimizer(self) -> ModelOptimizer:
        from posezoo.convert.model_optimizer import find

        return find(self.settings.mo, self.mo_python)

    def _require_way(self, spec: ModelSpec) -> Way:
        way = self.way(spec)
        if not way.is_open:
            raise ConversionError(f"{spec.full_name}: {in_words(spec, way)}", hint=way.hint)
        return way

    def _is_made(self, spec: ModelSpec, precisions: Collection[Precision]) -> bool:
        """Whether IR are up to date that a Model Optimizer, or a model's own code, made at another time."""
        from posezoo.convert.plan import is_up_to_date

        made, decoder = self._after_upstream(self.lock.pinned(spec)), self._decoder_of(spec)
        return all(is_up_to_date(made, self.layout, each, decoder=decoder) for each in precisions)

    def verifying(self, verify: bool) -> Zoo:
        """The zoo whose downloads read what is here again, or not."""
        return replace(self, means=replace(self.means, verify=verify))

    def download(
        self,
        spec: ModelSpec,
        *,
        precisions: Collection[Precision] | None = None,
        listener: Listener = ignore,
        carrier: Carrier | None = None,
    ) -> tuple[Path, ...]:
        """A model's published files, verified; with precisions, without the files of others.

        Downloads that run beside one another share a carrier.

        Raises:
            FetchError: one of them is to be had nowhere.
        """
        from posezoo.fetch.download import download

        spec = self.lock.pinned(spec)
        downloaded = download(
            spec, self.layout, self.means, precisions=precisions, listener=listener, carrier=carrier
        )
        return downloaded.files

    def fetch(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        listener: Listener = ignore,
    ) -> None:
        """The files that ``convert`` with the same arguments needs; none where the IR are up to date already.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: no conversion of ours makes an IR of the model, or one in these precisions, none
                is published in them, or an IR of the user's own weights would be replaced.
        """
        from posezoo.convert.own_weights import refuse_to_replace
        from posezoo.convert.plan import is_up_to_date, require

        if quantizing.is_meant(spec, precisions):
            return
        spec = self.with_our_network(spec)
        require(spec, precisions)
        spec = self.lock.pinned(spec)
        decoder = self._decoder_of(spec)
        if spec.is_ir:
            self.download(spec, precisions=precisions, listener=listener)
            return
        if not (self.way(spec).is_open or force) and self._is_made(spec, precisions):
            return
        way = self._require_way(spec)  # nobody waits for files of which nothing can be made
        if not force:
            refuse_to_replace(spec, self.layout)
        made = self._after_upstream(spec) if way.route is Route.UPSTREAM_CODE else spec
        if force or not all(is_up_to_date(made, self.layout, each, decoder=decoder) for each in precisions):
            self.download(spec, listener=listener)

    def convert(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        keep_onnx: bool = False,
        self_check: bool = True,
        listener: Listener = ignore,
    ) -> Mapping[Precision, Path]:
        """A model's IR (.xml by precision), from files that are there; arguments as ``convert`` has them.

        Raises:
            ConversionError: the files are not there, or no IR can be made of them.
        """
        if quantizing.is_meant(spec, precisions):
            return quantizing.made(self, spec, precisions)
        spec = self.with_our_network(spec)
        if not (self.way(spec).is_open or force) and self._is_made(spec, precisions):
            listener(ModelConversionUpToDate(spec.full_name, tuple(precisions)))
            there = {each: self.layout.ir(spec, each) for each in precisions}
            self.require_locked(spec, there, self.layout)
            return there
        way, pinned, decoder = self._require_way(spec), self.lock.pinned(spec), self._decoder_of(spec)
        accept = partial(self.lock.require_ir, spec)
        how: dict[str, Any] = {"force": force, "decoder": decoder, "accept": accept, "listener": listener}
        if way.route is Route.MO:
            from posezoo.convert import by_model_optimizer

            mo = self._model_optimizer()
            irs = by_model_optimizer.convert(pinned, self.layout, mo, precisions, **how)
            self.require_locked(spec, irs, self.layout)
            return irs
        if way.route is Route.UPSTREAM_CODE:
            from posezoo.convert import upstream

            rest = upstream.after(spec)
            if not force and all(
                step.is_done for step in self.plan_conversion(rest, precisions, force=force).steps
            ):
                return self.convert(rest, precisions, listener=listener)
            with upstream.made(pinned, self.layout, listener=listener) as layout:
                return replace(self, layout=layout).convert(
                    rest, precisions, force=force, self_check=self_check, listener=listener
                )
        from posezoo.convert.convert import convert

        converted = convert(
            pinned,
            self.layout,
            precisions=precisions,
            keep_onnx=keep_onnx,
            self_check=self_check,
            **how,
        )
        self.require_locked(spec, converted.irs, self.layout)
        return converted.irs

    def export_onnx(self, spec: ModelSpec, *, force: bool = False) -> Path:
        """The ONNX that a checkpoint of a network of ours becomes, from files that are there.

        Raises:
            ConversionError: the files are not there, the model is no network of ours, or the ONNX of another
                checkpoint would be replaced without force.
        """
        from posezoo.convert.convert import export_onnx

        return export_onnx(self.lock.pinned(spec), self.layout, force=force)

    def with_weights(self, checkpoint: Path, model: ModelSpec | str, name: str = "") -> tuple[Zoo, ModelSpec]:
        """The zoo that knows where weights of the user's own lie, and the model that they make.

        Args:
            checkpoint: the file.
            model: a model that is a network of ours, or the name of such a network.
            name: what the new model is called; as the model or network where empty.

        Raises:
            PosezooError: the checkpoint cannot be read or does not go with the network.
        """
        from posezoo.convert.own_weights import of_model, of_network

        spec = (
            of_network(model, checkpoint, name)
            if isinstance(model, str)
            else of_model(model, checkpoint, name)
        )
        return replace(self, layout=replace(self.layout, checkpoint=checkpoint)), spec

    def network_of(self, spec: ModelSpec) -> NetworkChoice:
        """Which network of ours a model is.

        Raises:
            ConversionError: it is none.
        """
        from posezoo.convert.own_weights import required_network

        return required_network(spec)

    def checkpoint(self, spec: ModelSpec, *, listener: Listener = ignore) -> Path:
        """The checkpoint of a network of ours, fetched where it is not there, and verified.

        Raises:
            FetchError: it is to be had nowhere.
            ConversionError: the model is no network of ours.
        """
        from posezoo.convert.original import verified

        self.network_of(spec)
        self.download(spec, listener=listener)
        return verified(self.lock.pinned(spec), self.layout)  # pinned only now, where it was trusted

    def get(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        listener: Listener = ignore,
    ) -> Mapping[Precision, Path]:
        """A model's IR (.xml by precision), fetched and converted where it is not there, or by force.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: no IR can be made of the files, or none is published in these precisions; or an
                IR of the user's own weights would be replaced.
        """
        if self.layout.own(spec) is None:  # weights of the user's own are here already
            self.fetch(spec, precisions, force=force, listener=listener)
        return self.convert(spec, precisions, force=force, listener=listener)

    def plan_download(
        self, spec: ModelSpec, precisions: Collection[Precision] | None = None
    ) -> tuple[PlannedFile, ...]:
        """What ``download`` would do; touches nothing and asks no server."""
        from posezoo.fetch.download import plan

        return plan(self.lock.pinned(spec), self.layout, self.means, precisions)

    def plan_conversion(
        self, spec: ModelSpec, precisions: Collection[Precision], *, force: bool = False
    ) -> Plan:
        """What ``convert`` would do; touches nothing."""
        from posezoo.convert.plan import plan

        spec = self.with_our_network(spec)
        pinned, decoder = self.lock.pinned(spec), self._decoder_of(spec)
        way = self.way(spec)
        if way.is_open and way.route is Route.UPSTREAM_CODE:
            rest = self.plan_conversion(self._after_upstream(spec), precisions, force=force)
            return replace(rest, obstacle=None, by="code that comes with the model")
        if way.is_open and way.route is Route.MO:
            from posezoo.convert import by_model_optimizer

            mo = self._model_optimizer()
            return by_model_optimizer.plan(pinned, self.layout, mo, precisions, force=force, decoder=decoder)
        return plan(pinned, self.layout, precisions, force=force, decoder=decoder)

    def plan(self, spec: ModelSpec, precisions: Collection[Precision], *, force: bool = False) -> ModelPlan:
        """What ``get`` would do; touches nothing and asks no server.

        Raises:
            ConversionError: no conversion makes one of the precisions, or an IR of the user's own weights
                would be replaced.
        """
        from posezoo.convert.own_weights import refuse_to_replace
        from posezoo.convert.plan import steps_of
        from posezoo.files import is_known_good

        spec = self.with_our_network(self.lock.pinned(spec))
        way = self.way(spec)
        if not way.is_open:
            return ModelPlan(spec, way)
        if spec.is_ir:
            published = [each for each in precisions if each in spec.precisions]
            if not published:
                return ModelPlan(spec, not_published(spec, precisions))
            irs = {each: self.layout.ir(spec, each) for each in published}
            return ModelPlan(spec, way, self.plan_download(spec, precisions), irs=irs)
        if not force:
            refuse_to_replace(spec, self.layout)
        if way.route in (Route.MO, Route.UPSTREAM_CODE):
            steps = self.plan_conversion(spec, precisions, force=force).steps
            due = not all(step.is_done for step in steps)
            files = self.plan_download(spec) if due else ()
            runs = self._code_of(spec) if due and way.route is Route.UPSTREAM_CODE else ()
            irs = {step.precision: step.xml for step in steps}
            return ModelPlan(spec, way, files, steps, irs, runs)
        steps = steps_of(
            spec,
            self.layout,
            precisions,
            self_check=True,
            force=force,
            decoder=self._decoder_of(spec),
            is_good=is_known_good,
        )
        files = () if all(step.is_done for step in steps) else self.plan_download(spec)
        return ModelPlan(spec, way, files, steps, {step.precision: step.xml for step in steps})

    def require_locked(self, spec: ModelSpec, irs: Collection[Precision], layout: Layout) -> None:
        """Refuse IR that were there already, and that a strict lock does not have."""
        if not self.lock.is_strict:
            return
        from posezoo import provenance

        for precision in irs:
            if record := provenance.read(layout.provenance(spec, precision)):
                self.lock.require_ir(spec, precision, record.contents)

    def require_described(self, spec: ModelSpec, precision: Precision, done: str = "counted") -> None:
        """Make sure that an IR is the one that model.yml describes, whole and unchanged."""
        from posezoo.convert.plan import why_stale
        from posezoo.files import is_good, is_good_file

        spec = self.lock.pinned(spec)
        if spec.is_ir:
            files = [file for file in spec.files if file.name.startswith(f"{precision}/")]
            is_whole = all(is_good_file(self.layout.file(spec, file), file) for file in files)
            why = "" if is_whole else "it is not the file that was published"
        else:
            why = why_stale(spec, self.layout, precision, False, self._decoder_of(spec), is_good)
        if why:
            xml = self.layout.ir(spec, precision)
            raise ConversionError(
                f"{xml}: not {done}, since {why}", hint=f"posezoo get {spec.full_name} makes it anew"
            )

    def irs(
        self, model: Model, precision: Precision, *, force: bool = False, listener: Listener = ignore
    ) -> dict[str, Path]:
        """The .xml of each part of a model by its name; fetched and converted where needed, or by force.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: an IR cannot be made, or was not published in this precision.
        """
        parts = self.registry.parts(model)
        return {
            part.name: self.get(part, (precision,), force=force, listener=listener)[precision]
            for part in parts
        }

    def detector_for(self, decoder: str) -> Model | None:
        """Who finds the people for a model of this decoder, as the settings say; None where nobody has to.

        Raises:
            UnknownModelError: there is no such model.
            InferenceError: it sees one person at a time itself.
        """
        from posezoo.pose.decoders import DECODERS

        named = self.settings.detector
        taken = DECODERS[decoder].detector if decoder in DECODERS else ""
        if not taken or named == "none" or (named == "usual" and taken != "usual"):
            return None
        name = USUAL_DETECTOR if named == "usual" else named
        try:
            detector = self.registry.find(name)
        except UnknownModelError as error:
            hint = error.hint or "name another detector, or none"
            raise UnknownModelError(f"who finds the people? {error.problem}", hint=hint) from error
        if detector.decoder is not None and DECODERS[detector.decoder.name].detector:
            raise InferenceError(
                f"{name} is no detector: it sees one person at a time itself", hint=f"say {USUAL_DETECTOR}"
            )
        return detector

    def detector_irs(self, model: Model, *, listener: Listener = ignore) -> dict[str, Path]:
        """The FP16 .xml of each part of a model's detector by its name; none where it has no detector.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: an IR cannot be made, or was not published in FP16.
        """
        detector = self.detector_for(model.decoder.name) if model.decoder else None
        return self.irs(detector, Precision.FP16, listener=listener) if detector else {}

    def compile(self, model: Model, irs: Mapping[str, Path], **how: Any) -> Estimator:
        """A model or composite, compiled on the device that the settings name: image in, poses out.

        Args:
            model: what to compile.
            irs: the .xml of each of its parts by name, and of those of its detector.
            how: what else ``estimator.load`` takes, over the settings.

        Raises:
            InferenceError: an IR cannot be read or compiled, or the model has no decoder.
        """
        from posezoo.estimator import load

        estimator = load(model, irs, **{**self._runtime(), **how})
        detector = self.detector_for(estimator.decoder)
        if detector is None:
            return estimator
        return estimator.with_detector(self.compile(detector, irs, **_where_and_when(how)))

    def compile_ir(self, xml: Path, *, listener: Listener = ignore, **how: Any) -> Estimator:
        """An IR that no model.yml describes, compiled on the device that the settings name.

        Its detector, if it takes one, is fetched where it is not there yet; ``how`` as for ``compile``.

        Raises:
            InferenceError: it cannot be read or compiled, or nobody knows what its outputs are.
            FetchError: a file of the detector is to be had nowhere.
        """
        from posezoo.estimator import load_ir

        estimator = load_ir(xml, **{**self._runtime(), **how})
        detector = self.detector_for(estimator.decoder)
        if detector is None:
            return estimator
        irs = self.irs(detector, Precision.FP16, listener=listener)
        return estimator.with_detector(self.compile(detector, irs, **_where_and_when(how)))

    def _runtime(self) -> Any:
        """What the settings say of where and how to run, and the cache of the CPU."""
        settings = self.settings
        return {
            "device": settings.device,
            "inference_precision": settings.inference_precision,
            "cache_dir": compile_cache() if settings.device == "CPU" else None,
        }

    def write_card(self, model: Model, output_dir: Path | None = None) -> Path:
        """Draw a model's card beside its IR; left alone where it says the same already.

        Args:
            model: whose card it is.
            output_dir: where its IR lie, where that is not the zoo's own output folder.

        Raises:
            OutputError: it cannot be written.
        """
        from posezoo.card.card import write_card

        parts = [self.lock.pinned(part) for part in self.registry.parts(model)]
        layout = self.layout if output_dir is None else replace(self.layout, output_dir=output_dir)
        return write_card(model, parts, layout)

    def _decoder_of(self, spec: ModelSpec) -> Decoder | None:
        """What an IR names as its decoder: the model's own, else that of the composite that it belongs to."""
        if spec.decoder is not None or not spec.composite:
            return spec.decoder
        try:
            return self.registry.find(spec.composite).decoder
        except (SpecError, UnknownModelError):  # told where the composite itself is asked for
            return None


@cache
def _own_registry() -> Registry:
    """The one that comes with posezoo, read once."""
    return open_registry()


def _where_and_when(how: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's detector shares with it: how it runs, not how large it sees."""
    shared = ("device", "inference_precision", "cache_dir", "requests", "streams", "threads", "hint")
    return {name: value for name, value in how.items() if name in shared}


def compile_cache() -> Path | None:
    """Where compiled networks are kept for the next start; None for a user without a home folder."""
    try:
        return user_folder("cache") / "compiled"
    except SettingsError:
        return None
