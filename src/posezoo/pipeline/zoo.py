"""From a model's name to its files, its IR and its card; what is there already is not made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.download.options import DownloadOptions
from posezoo.errors import ConversionError, SpecError, UnknownModelError
from posezoo.events import ConversionUpToDate, Listener, ignore_event
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.pipeline import int8_models
from posezoo.pipeline.route_options import RouteOptions, spec_without_upstream_code, with_known_network
from posezoo.registry import Registry
from posezoo.settings import Settings
from posezoo.spec.model import CompositeSpec, Decoder, ModelSpec, NetworkChoice, Precision, Route

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import ConversionPlan
    from posezoo.download.connection_pool import ConnectionPool
    from posezoo.download.model_download import PlannedFile

Model = ModelSpec | CompositeSpec


@dataclass(frozen=True, slots=True)
class Zoo:
    """Where models are declared, where their artifacts lie, and by what means they may be fetched."""

    settings: Settings
    registry: Registry
    layout: ModelLayout
    means: DownloadOptions
    lock: LockFile
    ways: RouteOptions

    def _is_converted(self, spec: ModelSpec, precisions: Collection[Precision]) -> bool:
        """Whether IR are up to date that a Model Optimizer, or a model's own code, made at another time."""
        from posezoo.convert.conversion_plan import is_up_to_date

        made, decoder = spec_without_upstream_code(self.lock.with_pins(spec)), self.select_decoder(spec)
        return all(is_up_to_date(made, self.layout, precision, decoder=decoder) for precision in precisions)

    def with_verification(self, verify: bool) -> Zoo:
        """The zoo whose downloads read what is here again, or not."""
        return replace(self, means=replace(self.means, verify=verify))

    def download(
        self,
        spec: ModelSpec,
        *,
        precisions: Collection[Precision] | None = None,
        listener: Listener = ignore_event,
        pool: ConnectionPool | None = None,
    ) -> tuple[Path, ...]:
        """A model's published files, verified; with precisions, without the files of others.

        Downloads that run beside one another share a carrier.

        Raises:
            FetchError: one of them is to be had nowhere.
        """
        from posezoo.download.model_download import download_model

        spec = self.lock.with_pins(spec)
        downloaded = download_model(
            spec, self.layout, self.means, precisions=precisions, listener=listener, pool=pool
        )
        return downloaded.files

    def download_for_conversion(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        listener: Listener = ignore_event,
    ) -> None:
        """The files that ``convert`` with the same arguments needs; none where the IR are up to date already.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: no conversion of ours makes an IR of the model, or one in these precisions, none
                is published in them, or an IR of the user's own weights would be replaced.
        """
        from posezoo.convert.conversion_plan import is_up_to_date, require_precisions
        from posezoo.convert.custom_weights import refuse_to_replace

        if int8_models.is_int8_request(spec, precisions):
            return
        spec = with_known_network(spec)
        require_precisions(spec, precisions)
        spec = self.lock.with_pins(spec)
        decoder = self.select_decoder(spec)
        if spec.is_ir:
            self.download(spec, precisions=precisions, listener=listener)
            return
        if not (self.ways.select(spec).is_available or force) and self._is_converted(spec, precisions):
            return
        decision = self.ways.require(spec)  # nobody waits for files of which nothing can be made
        if not force:
            refuse_to_replace(spec, self.layout)
        made = spec_without_upstream_code(spec) if decision.route is Route.UPSTREAM_CODE else spec
        if force or not all(
            is_up_to_date(made, self.layout, precision, decoder=decoder) for precision in precisions
        ):
            self.download(spec, listener=listener)

    def convert(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        keep_onnx: bool = False,
        self_check: bool = True,
        listener: Listener = ignore_event,
    ) -> Mapping[Precision, Path]:
        """A model's IR (.xml by precision), from files that are there; arguments as ``convert`` has them.

        Raises:
            ConversionError: the files are not there, or no IR can be made of them.
        """
        if int8_models.is_int8_request(spec, precisions):
            return int8_models.find_int8_irs(self, spec, precisions)
        spec = with_known_network(spec)
        if not (self.ways.select(spec).is_available or force) and self._is_converted(spec, precisions):
            listener(ConversionUpToDate(spec.full_name, tuple(precisions)))
            there = {precision: self.layout.ir_path(spec, precision) for precision in precisions}
            self.require_locked(spec, there, self.layout)
            return there
        decision, pinned, decoder = (
            self.ways.require(spec),
            self.lock.with_pins(spec),
            self.select_decoder(spec),
        )
        accept = partial(self.lock.require_ir, spec)
        how: dict[str, Any] = {"force": force, "decoder": decoder, "accept_ir": accept, "listener": listener}
        if decision.route is Route.MO:
            from posezoo.convert import model_optimizer_route

            mo = self.ways.model_optimizer()
            irs = model_optimizer_route.convert_with_model_optimizer(
                pinned, self.layout, mo, precisions, **how
            )
            self.require_locked(spec, irs, self.layout)
            return irs
        if decision.route is Route.UPSTREAM_CODE:
            from posezoo.convert import upstream_code

            rest = upstream_code.spec_after_upstream_code(spec)
            if not force and all(
                step.is_up_to_date for step in self.plan_conversion(rest, precisions, force=force).steps
            ):
                return self.convert(rest, precisions, listener=listener)
            self.lock.require_known_irs(spec, precisions)  # nobody's code runs for what is refused
            with upstream_code.run_upstream_code(pinned, self.layout, listener=listener) as layout:
                return replace(self, layout=layout).convert(
                    rest, precisions, force=force, self_check=self_check, listener=listener
                )
        from posezoo.convert.conversion import convert_model

        converted = convert_model(
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
        from posezoo.convert.conversion import export_onnx

        return export_onnx(self.lock.with_pins(spec), self.layout, force=force)

    def with_checkpoint(
        self, checkpoint: Path, model: ModelSpec | str, name: str = ""
    ) -> tuple[Zoo, ModelSpec]:
        """The zoo that knows where weights of the user's own lie, and the model that they make.

        Args:
            checkpoint: the file.
            model: a model that is a network of ours, or the name of such a network.
            name: what the new model is called; as the model or network where empty.

        Raises:
            PosezooError: the checkpoint cannot be read or does not go with the network.
        """
        from posezoo.convert.custom_weights import spec_for_network, spec_with_checkpoint

        spec = (
            spec_for_network(model, checkpoint, name)
            if isinstance(model, str)
            else spec_with_checkpoint(model, checkpoint, name)
        )
        return replace(self, layout=replace(self.layout, checkpoint=checkpoint)), spec

    def require_network(self, spec: ModelSpec) -> NetworkChoice:
        """Which network of ours a model is.

        Raises:
            ConversionError: it is none.
        """
        from posezoo.convert.custom_weights import require_network

        return require_network(spec)

    def download_checkpoint(self, spec: ModelSpec, *, listener: Listener = ignore_event) -> Path:
        """The checkpoint of a network of ours, fetched where it is not there, and verified.

        Raises:
            FetchError: it is to be had nowhere.
            ConversionError: the model is no network of ours.
        """
        from posezoo.convert.frontends import verify_source_model

        self.require_network(spec)
        self.download(spec, listener=listener)
        return verify_source_model(
            self.lock.with_pins(spec), self.layout
        )  # pinned only now, where it was trusted

    def get(
        self,
        spec: ModelSpec,
        precisions: Collection[Precision],
        *,
        force: bool = False,
        listener: Listener = ignore_event,
    ) -> Mapping[Precision, Path]:
        """A model's IR (.xml by precision), fetched and converted where it is not there, or by force.

        Raises:
            FetchError: a file is to be had nowhere.
            ConversionError: no IR can be made of the files, or none is published in these precisions; or an
                IR of the user's own weights would be replaced.
        """
        if self.layout.custom_checkpoint(spec) is None:  # weights of the user's own are here already
            self.download_for_conversion(spec, precisions, force=force, listener=listener)
        return self.convert(spec, precisions, force=force, listener=listener)

    def plan_download(
        self, spec: ModelSpec, precisions: Collection[Precision] | None = None
    ) -> tuple[PlannedFile, ...]:
        """What ``download`` would do; touches nothing and asks no server."""
        from posezoo.download.model_download import plan_download

        return plan_download(self.lock.with_pins(spec), self.layout, self.means, precisions)

    def plan_conversion(
        self, spec: ModelSpec, precisions: Collection[Precision], *, force: bool = False
    ) -> ConversionPlan:
        """What ``convert`` would do; touches nothing."""
        from posezoo.convert.conversion_plan import plan_conversion

        spec = with_known_network(spec)
        pinned, decoder = self.lock.with_pins(spec), self.select_decoder(spec)
        decision = self.ways.select(spec)
        if decision.is_available and decision.route is Route.UPSTREAM_CODE:
            rest = self.plan_conversion(spec_without_upstream_code(spec), precisions, force=force)
            return replace(rest, obstacle=None, by="code that comes with the model")
        if decision.is_available and decision.route is Route.MO:
            from posezoo.convert import model_optimizer_route

            mo = self.ways.model_optimizer()
            return model_optimizer_route.plan_with_model_optimizer(
                pinned, self.layout, mo, precisions, force=force, decoder=decoder
            )
        return plan_conversion(pinned, self.layout, precisions, force=force, decoder=decoder)

    def require_locked(self, spec: ModelSpec, irs: Collection[Precision], layout: ModelLayout) -> None:
        """Refuse IR that were there already, and that a strict lock does not have."""
        if not self.lock.is_strict:
            return
        from posezoo.ir import provenance

        for precision in irs:
            if record := provenance.read_provenance(layout.provenance_path(spec, precision)):
                self.lock.require_ir(spec, precision, record.contents)

    def require_current_ir(self, spec: ModelSpec, precision: Precision, done: str = "counted") -> None:
        """Make sure that an IR is the one that model.yml describes, whole and unchanged."""
        from posezoo.convert.conversion_plan import explain_stale_ir
        from posezoo.files.verified_files import is_verified, is_verified_file

        spec = self.lock.with_pins(spec)
        if spec.is_ir:
            files = [file for file in spec.files if file.name.startswith(f"{precision}/")]
            is_whole = all(is_verified_file(self.layout.file_path(spec, file), file) for file in files)
            reason = "" if is_whole else "it is not the file that was published"
        else:
            reason = explain_stale_ir(
                spec, self.layout, precision, False, self.select_decoder(spec), is_verified
            )
        if reason:
            xml = self.layout.ir_path(spec, precision)
            raise ConversionError(
                f"{xml}: not {done}, since {reason}", hint=f"posezoo get {spec.full_name} makes it anew"
            )

    def get_irs(
        self, model: Model, precision: Precision, *, force: bool = False, listener: Listener = ignore_event
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
        from posezoo.cards.model_card import write_card
        from posezoo.facts.model_facts import ModelFacts

        parts = tuple(self.lock.with_pins(part) for part in self.registry.parts(model))
        layout = self.layout if output_dir is None else replace(self.layout, output_dir=output_dir)
        return write_card(ModelFacts(model, parts, layout))

    def select_decoder(self, spec: ModelSpec) -> Decoder | None:
        """What an IR names as its decoder: the model's own, else that of the composite that it belongs to."""
        if spec.decoder is not None or not spec.composite:
            return spec.decoder
        try:
            return self.registry.find(spec.composite).decoder
        except (SpecError, UnknownModelError):  # told where the composite itself is asked for
            return None
