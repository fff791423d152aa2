"""Every published AP of the zoo has a command that posezoo accepts."""

import shlex

from fakes.checkout import ROOT
from posezoo.cli.main import create_parser
from posezoo.core.declarations.model import ANNOTATED_BOXES, WHOLE_PHOTO, Precision
from posezoo.core.registry import open_registry


def rerun_flags(spec, published):
    """The flags of ``posezoo evaluate`` by the table of the accuracy page."""
    boxes = published.boxes
    if boxes == ANNOTATED_BOXES:
        yield "--boxes truth"
    elif boxes not in ("", WHOLE_PHOTO):
        if boxes not in open_registry().entries:
            yield "--boxes boxes.json"
        elif spec.people is None or boxes != spec.people.photo:
            yield f"--detector {boxes}"
    if published.size:
        yield f"--height {published.size}"
    if published.flip:
        yield "--flip"
    if Precision.FP16 not in spec.precisions:
        yield f"--precision {spec.precisions[0]}"


def test_each_command_is_valid_and_evaluates_as_the_publisher_did():
    page = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    registry = open_registry()
    models = (*registry.select().models, *registry.select(["*@*"]).models)
    accuracies = [
        (spec, accuracy)
        for spec in models
        for accuracy in spec.published.accuracy
        if accuracy.metric == "AP"
    ]
    assert len(accuracies) > 30
    parser = create_parser()
    for spec, accuracy in accuracies:
        flags = [*rerun_flags(spec, accuracy)]
        assert all(f"`{flag.split()[0]}" in page for flag in flags)
        words = shlex.split(" ".join(["evaluate", spec.full_name, *flags]))
        args = parser.parse_args(words)
        assert args.model == spec.full_name
        assert args.flip == accuracy.flip
        boxes = {"annotated": "truth", "a detector with person AP 0.564": "boxes.json"}
        assert args.boxes == boxes.get(accuracy.boxes)
        assert (args.precision or Precision.FP16) in spec.precisions
        assert args.height == accuracy.size
        if f"side {args.height}" not in accuracy.protocol:
            assert spec.decoder.name != "associative_embedding"
