"""Loads the model of ``posezoo run``, and measures how long each step takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.convert.conversion_plan import ConversionOptions
from posezoo.events import Listener
from posezoo.pipeline import load
from posezoo.pipeline.get import (
    bring_irs_and_plan,
    convert,
    download,
    get_irs,
    with_checkpoint_dir,
    write_model_card,
)
from posezoo.resolve.resolution import resolve_model
from posezoo.resolve.stage_context import Context
from posezoo.runtime.estimator import Estimator
from posezoo.runtime.runtime_config import LoadOptions
from posezoo.spec.model import Model, Precision
from posezoo.video.frame_rate import StepTimer

DOWNLOAD = "download and verify"
CONVERT = "convert and self-check"


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What the user wants to run."""

    name: str  # for the folder of the results
    model: Model | None = None  # None for an IR
    xml: Path | None = None  # the IR; None for a model
    checkpoint: Path | None = None  # the user's own weights


@dataclass(frozen=True, slots=True)
class TimedLoader:
    """Loads the chosen model, after download and conversion if necessary."""

    context: Context
    precision: Precision
    detector: str | None  # the one that the user named for this model
    min_person_score: float | None  # None for the decoder's
    is_video: bool  # whether it processes only videos
    timer: StepTimer
    listener: Listener

    def load(self, chosen: ChosenModel) -> tuple[Estimator, Path | None]:
        """The estimator, and the card of a model of the zoo."""
        if chosen.xml is not None:
            return self._compile_ir(chosen.xml), None
        assert chosen.model is not None
        if chosen.checkpoint is None:
            irs = self._get_irs(chosen.model)
            card = write_model_card(chosen.model, self.context)
            return self._compile(chosen.model, irs), card
        irs = self._convert_checkpoint(chosen.model, chosen.checkpoint)
        if chosen.model.decoder is None:  # the outputs decide on the decoder
            return self._compile_ir(irs[chosen.model.name]), None
        return self._compile(chosen.model, irs), None

    def _get_irs(self, model: Model) -> dict[str, Path]:
        """Download and convert all parts of a model of the zoo."""
        both = (Precision.FP32, Precision.FP16)
        precision = self.precision
        options = ConversionOptions()
        irs = {}
        for part in self.context.registry.parts(model):
            # One reading of the original makes both; of a published IR only the files in use are
            # downloaded.
            precisions = both if precision in both and not part.is_ir else (precision,)
            with self.timer.time_step(DOWNLOAD):
                resolved = resolve_model(part, precisions, self.context)
                plan = bring_irs_and_plan(resolved, self.context, options)
                resolved = download(plan, self.context, listener=self.listener)
            with self.timer.time_step(CONVERT):
                converted = convert(resolved, plan, options, listener=self.listener)
            irs[part.name] = converted.irs[precision]
        return irs

    def _convert_checkpoint(self, model: Model, checkpoint: Path) -> dict[str, Path]:
        """Convert a model with the user's own weights, into a folder of its own."""
        with self.timer.time_step(CONVERT):
            return get_irs(
                model,
                self.precision,
                with_checkpoint_dir(self.context, model),
                checkpoint=checkpoint,
                listener=self.listener,
            )

    def _compile(self, model: Model, irs: dict[str, Path]) -> Estimator:
        with self.timer.time_step(DOWNLOAD):
            detector = load.detector_irs(
                model, self.context, is_video=self.is_video, listener=self.listener
            )
        with self.timer.time_step("compile"):
            return load.compile_estimator(
                model, self.context, {**detector, **irs}, self._load_options, is_video=self.is_video
            )

    def _compile_ir(self, xml: Path) -> Estimator:
        with self.timer.time_step("compile"):
            return load.compile_ir_estimator(
                xml,
                self.context,
                self._load_options,
                named_detector=self.detector,
                is_video=self.is_video,
                listener=self.listener,
            )

    @property
    def _load_options(self) -> LoadOptions:
        runtime = load.default_runtime(self.context.settings)
        return LoadOptions(runtime, min_person_score=self.min_person_score)
