"""From a model's name to its files, its IR and its card; what is there already is not made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import ConversionError, SpecError, UnknownModelError
from posezoo.events import Listener, ModelConversionUpToDate, ignore
from posezoo.fetch.means import Means
from posezoo.layout import Layout
from posezoo.lock import Lock
from posezoo.registry import Registry
from posezoo.settings import Settings
from posezoo.spec.model import CompositeSpec, Decoder, ModelSpec, NetworkChoice, Precision, Route
from posezoo.zoo import quantizing
from posezoo.zoo.ways import Ways, after_upstream, with_our_network

if TYPE_CHECKING:
    from posezoo.convert.plan import Plan
    from posezoo.fetch.carrier import Carrier
    from posezoo.fetch.download import PlannedFile

Model = ModelSpec | CompositeSpec


@dataclass(frozen=True, slots=True)
class Zoo:
    """Where models are declared, where their artifacts lie, and by what means they may be fetched."""

    settings: Settings
    registry: Registry
    layout: Layout
    means: Means
    lock: Lock
    ways: Ways

    def _is_made(self, spec: ModelSpec, precisions: Collection[Precision]) -> bool:
        """Whether IR are up to date that a Model Optimizer, or a model's own code, made at another time."""
        from posezoo.convert.plan import is_up_to_date

        made, decoder = after_upstream(self.lock.pinned(spec)), self.decoder_of(spec)
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
        spec = with_our_network(spec)
        require(spec, precisions)
        spec = self.lock.pinned(spec)
        decoder = self.decoder_of(spec)
        if spec.is_ir:
            self.download(spec, precisions=precisions, listener=listener)
            return
        if not (self.ways.of(spec).is_open or force) and self._is_made(spec, precisions):
            return
        way = self.ways.required(spec)  # nobody waits for files of which nothing can be made
        if not force:
            refuse_to_replace(spec, self.layout)
        made = after_upstream(spec) if way.route is Route.UPSTREAM_CODE else spec
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
        spec = with_our_network(spec)
        if not (self.ways.of(spec).is_open or force) and self._is_made(spec, precisions):
            listener(ModelConversionUpToDate(spec.full_name, tuple(precisions)))
            there = {each: self.layout.ir(spec, each) for each in precisions}
            self.require_locked(spec, there, self.layout)
            return there
        way, pinned, decoder = self.ways.required(spec), self.lock.pinned(spec), self.decoder_of(spec)
        accept = partial(self.lock.require_ir, spec)
        how: dict[str, Any] = {"force": force, "decoder": decoder, "accept": accept, "listener": listener}
        if way.route is Route.MO:
            from posezoo.convert import by_model_optimizer

            mo = self.ways.model_optimizer()
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
            self.lock.require_known_irs(spec, precisions)  # nobody's code runs for what is refused
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

        spec = with_our_network(spec)
        pinned, decoder = self.lock.pinned(spec), self.decoder_of(spec)
        way = self.ways.of(spec)
        if way.is_open and way.route is Route.UPSTREAM_CODE:
            rest = self.plan_conversion(after_upstream(spec), precisions, force=force)
            return replace(rest, obstacle=None, by="code that comes with the model")
        if way.is_open and way.route is Route.MO:
            from posezoo.convert import by_model_optimizer

            mo = self.ways.model_optimizer()
            return by_model_optimizer.plan(pinned, self.layout, mo, precisions, force=force, decoder=decoder)
        return plan(pinned, self.layout, precisions, force=force, decoder=decoder)

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
            why = why_stale(spec, self.layout, precision, False, self.decoder_of(spec), is_good)
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

    def decoder_of(self, spec: ModelSpec) -> Decoder | None:
        """What an IR names as its decoder: the model's own, else that of the composite that it belongs to."""
        if spec.decoder is not None or not spec.composite:
            return spec.decoder
        try:
            return self.registry.find(spec.composite).decoder
        except (SpecError, UnknownModelError):  # told where the composite itself is asked for
            return None
