"""Draw docs/explanations/rehearsal.md from models/rehearsed.tsv, which tests/rehearse.py writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.pages.cards.markdown import Markdown, format_code, format_table
from rehearsal_table import DONE, STEPS, declared_digest, read_table

#: What a model.yml that has changed since its rehearsal is marked with.
CHANGED = "declared again since"

PAGE = """\
<!-- drawn by `make docs` from models/rehearsed.tsv: `make rehearse` changes it -->
# How far each model was rehearsed

The tests and figures of {at_hand} of {count} models use the published weights. The weights of the other {others}
models lie on hosts that the tests do not reach. `make rehearse` makes files for them in the publisher's form, and
serves them from this machine under the publisher's name. It then does what a user does with each model:

| Step | What is run |
| --- | --- |
| get | `posezoo get`: download, verify, convert to FP32 and FP16, and compare with the original |
| run | `posezoo run` on a photo of four people, or for a model of faces a photo of one, with the declared detector; the number of poses that are drawn |
| evaluate | `posezoo evaluate` on three annotated photos |
| benchmark | `posezoo benchmark --pipeline` on the photo |
| quantize | `posezoo quantize` with six photos; *not kept*: INT8 was compared with FP32, and found too different |
| export | `posezoo export MODEL --to folder DIR --decode`, or without `--decode` where that is refused; the exported sample then finds people on the photo. *Without the detector*: with `--detector none`, because no exported sample can run the detector; the sample takes the whole picture for one face |

Only their publishers' code builds the ONNX of DETRPose and ECPose, so that a user brings it. *From the user's ONNX*:
`posezoo convert FILE.onnx --as MODEL` takes the place of `get`, and its IR that of the model's name in the other steps.
This IR takes any number of images. An export with its decoder needs `--input_shape [1,3,640,640]` in that command, too,
as its error says.

**The weights are generated.** So these rows say that every step comes to its end, and nothing of accuracy, of speed or
of how good INT8 is. *Bytes* compares the generated files with the published ones. Where they are nearly equal, the
network has the published layers. Above 1, constants in the network place the people. Far below 1, only its inputs and
outputs are the published ones. Where the published size is unknown, the network is one of posezoo's own, with the names
and shapes of the published tensors, or one of RTMO and RTMPose.

{summary}

{table}

{reasons}## Published weights

These models have their published files in the tests: {names}.
"""


def render_page() -> str:
    """The whole page."""
    rows = read_table().values()
    rehearsed = [row for row in rows if row["get"]]
    reasons: list[str] = []
    table = format_table(
        ["Model", "Bytes", *STEPS],
        [
            (_name(row), _bytes(row["weights"]), *(_cell(row, step, reasons) for step in STEPS))
            for row in rehearsed
        ],
    )
    listed = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    return PAGE.format(
        count=len(rows),
        others=len(rehearsed),
        at_hand=len(rows) - len(rehearsed),
        summary=_summary(rehearsed),
        table=table,
        reasons=f"## Steps that failed or were not run\n\n{listed}\n\n" if listed else "",
        names=", ".join(format_code(row["model"]) for row in rows if not row["get"]),
    )


def _summary(rows: list[dict[str, str]]) -> str:
    ended = Counter(step for row in rows for step in STEPS if row[step].startswith(DONE))
    steps = ", ".join(f"{step} {ended[step]}" for step in STEPS)
    whole = sum(all(row[step].startswith(DONE) for step in STEPS) for row in rows)
    return f"Of {len(rows)} models, {whole} come to the end of all steps: {steps}."


def _name(row: Mapping[str, str]) -> Markdown:
    name = format_code(row["model"])
    return Markdown(f"{name} ({CHANGED})") if is_changed(row) else name


def is_changed(row: Mapping[str, str]) -> bool:
    """Whether a model.yml is another one than that of the rehearsal."""
    spec = open_registry().find(row["model"])
    assert isinstance(spec, ModelSpec)
    return bool(row["declared"]) and row["declared"] != declared_digest(spec.path)


def _bytes(weights: str) -> str:
    """The share of the published bytes."""
    return next((word for word in weights.split() if word[0].isdigit()), "unknown")


def _cell(row: Mapping[str, str], step: str, reasons: list[str]) -> str:
    """What became of a step; a number if there is a reason below the table."""
    state, _, reason = row[step].partition(": ")
    if not reason:
        return state.removeprefix("yes, and ").removeprefix("yes, ")
    text = reason.removeprefix(f"{row['model']}: ")
    if text not in reasons:
        reasons.append(text)
    return f"{state} ({reasons.index(text) + 1})"
