"""The wording of measured results and the state of progress, shared by both renderers of events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn, TextIO

from posezoo import events

if TYPE_CHECKING:
    from tqdm import tqdm

#: The number of layers that are shown: those with the most quantization noise.
WORST = 12


class Progress:
    """The progress of one download, calibration or evaluation, with an optional bar.

    Args:
        total: what there is to do, in bytes, samples or images; 0 if unknown.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.bar: tqdm[NoReturn] | None = None
        self._started = time.monotonic()
        self._tenths = 0

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return time.monotonic() - self._started

    def show_bar(self, description: str, stream: TextIO, unit: str, initial: int = 0) -> None:
        """Draw a bar on a terminal; ``unit`` is "B" for bytes."""
        from tqdm import tqdm

        self.bar = tqdm(
            desc=description,
            total=self.total or None,
            initial=initial,
            unit=unit,
            unit_scale=unit == "B",
            leave=False,
            file=stream,
            dynamic_ncols=True,
        )

    def update(self, done: int) -> bool:
        """Move the bar; return whether another tenth of the total is done, so that a log may get a line."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        before, self._tenths = self._tenths, 10 * done // self.total if self.total else 0
        return self._tenths > before

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def result_lines(event: events.Event) -> Iterator[str]:
    """The lines about a self-check or a comparison with FP32; none for any other event."""
    match event:
        case events.SelfCheckPassed():
            yield (
                f"{event.precision} self-check passed: difference {event.difference:.1e}, "
                f"{event.tolerance:.0e} allowed, compared with {event.reference}"
            )
        case events.DisplacementMeasured():
            yield (
                f"{event.precision} moves points by {event.shift_p50_px:.2f} px in the median "
                f"({event.max_shift_px:g} allowed), 90 % of them by less than {event.shift_p90_px:.2f} px; "
                f"it finds {event.found_int8} people, FP32 {event.found_fp32}: "
                f"{event.agreement:.0%} agreement ({event.min_agreement:.0%} needed)"
            )
        case events.AccuracyCompared():
            yield (
                f"{event.precision} has AP {event.ap_int8:.3f}, FP32 {event.ap_fp32:.3f}, "
                f"on the {event.people} people in photos that were not used for calibration"
            )
        case events.LayerNoiseMeasured(layers=layers):
            # The layers with the most noise of their own, in the order in which they run.
            worst = {layer.layer for layer in sorted(layers, key=lambda layer: -layer.own)[:WORST]}
            width = max((len(name) for name in worst), default=0)
            yield f"the {len(worst)} of {len(layers)} layers with the most noise, as a share of the output:"
            yield f"  {'layer':{width}}  {'type':22}  {'own noise':>9}  {'all so far':>10}"
            for layer in layers:
                if layer.layer in worst:
                    yield f"  {layer.layer:{width}}  {layer.type:22}  {layer.own:9.1%}  {layer.total:10.1%}"
