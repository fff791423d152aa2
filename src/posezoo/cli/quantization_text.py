"""What a quantization tells, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posezoo.events import AccuracyCompared, DisplacementMeasured, LayerNoise

#: So many of the layers that quantization harms most are shown.
WORST = 12


def format_displacement(event: DisplacementMeasured) -> str:
    """How far INT8 lies from FP32, in one line."""
    return (
        f"{event.precision} moves points by {event.shift_p50_px:.2f} px in the median "
        f"({event.max_shift_px:g} allowed), nine of ten by less than {event.shift_p90_px:.2f}; it finds "
        f"{event.found_int8} people, FP32 {event.found_fp32}: {event.agreement:.0%} agreement "
        f"({event.min_agreement:.0%} needed)"
    )


def format_accuracy(event: AccuracyCompared) -> str:
    """AP before and after, in one line."""
    return (
        f"{event.precision} has AP {event.ap_int8:.3f}, FP32 {event.ap_fp32:.3f}, "
        f"on the {event.people} people in photos kept apart"
    )


def format_worst_layers(layers: Sequence[LayerNoise]) -> Iterator[str]:
    """A table of the layers that quantization harms most, in the order they run in."""
    worst = {each.layer for each in sorted(layers, key=lambda layer: -layer.own)[:WORST]}
    width = max((len(name) for name in worst), default=0)
    yield f"the {len(worst)} of {len(layers)} layers that suffer most; noise as a share of the output:"
    yield f"  {'layer':{width}}  {'type':22}  {'own noise':>9}  {'all so far':>10}"
    for each in layers:
        if each.layer in worst:
            yield f"  {each.layer:{width}}  {each.type:22}  {each.own:9.1%}  {each.total:10.1%}"
