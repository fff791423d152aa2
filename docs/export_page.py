"""Draw docs/export.md: the targets of `posezoo export`, and the matrix of models and targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from checked_exports import check_of
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import ConversionError, ExportError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, open_registry
from posezoo.export.decoded.decoding_options import with_decoding
from posezoo.export.ir_facts import declared_facts
from posezoo.export.target_type import ExportFolder
from posezoo.export.targets import TARGETS
from posezoo.pages.cards.markdown import Markdown, format_code, format_table


def render_page() -> str:
    """The whole page."""
    text = Path(__file__).with_name("export.in.md").read_text("utf-8")
    reasons: dict[str, int] = {}
    registry = open_registry()
    specs = sorted(registry.select().models, key=lambda spec: spec.name)
    rows = [(spec.name, *cells(spec, registry, reasons)) for spec in specs]
    sections = []
    for column, (name, target) in enumerate(TARGETS.items(), 1):
        taken = {row[0] for row in rows if row[column] in ("run", "checked")}
        example = next(each for each in (*check_of(name).run_with, *EXAMPLES) if each in taken)
        command = target.next_step.format(folder="$PWD/out", name=example)
        sections.append(
            f"## {name}\n\n{target.summary[0].upper()}{target.summary[1:]}.\n\n"
            f"```sh\nposezoo export {example} --to {name} out\n```\n\n"
            "Not run by the tests: it needs the other runtime, or a picture of yours.\n\n"
            f"```sh\n{command}\n```\n\n{check_of(name).text}\n"
        )
    notes = "\n".join(f"{number}. {reason}" for reason, number in reasons.items())
    matrix = format_table(("Model", *map(format_code, TARGETS.names())), rows)
    return text.format(targets="\n".join(sections), matrix=matrix, notes=notes)


#: The models in the command of a target whose exports the tests do not run: the first that it
#: takes.
EXAMPLES = ("pose-landmark-full-mediapipe", "person-detection-retail-0013")


def cells(spec: ModelSpec, registry: Registry, reasons: dict[str, int]) -> Iterator[str]:
    """What tests do with this model and each target; a reason that is new gets the next number."""
    plain = declared_facts(spec, Precision.FP16, ModelLayout(Path("missing"), Path("missing")))
    assert plain is not None, f"{spec.name} declares no inputs or outputs"
    decoder = registry.composite_of(spec).decoder if spec.composite else spec.decoder
    try:
        decoded, obstacle = replace(plain, spec=with_decoding(spec, decoder)), ""
    except ConversionError as error:
        decoded, obstacle = None, error.problem
    for name, target in TARGETS.items():
        problems, done = [obstacle] if target.inputs and obstacle else [], ""
        for model in (decoded,) if target.inputs else (plain, decoded):
            try:
                if model is not None and not done:
                    tuple(target.render(model, ExportFolder({})))
                    done = "run" if spec.name in check_of(name).run_with else "checked"
                    done += "" if target.inputs or model is plain else ", with `--decode`"
            except ExportError as error:
                problems.append(error.problem)
        if not done:
            reason = problems[0].removeprefix(f"{spec.name}: ")
            done = f"impossible: [{reasons.setdefault(reason, len(reasons) + 1)}](#reasons)"
        yield Markdown(done)
