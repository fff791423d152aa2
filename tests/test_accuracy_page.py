"""Every published AP of the zoo has a command that posezoo accepts."""

import importlib.util
import shlex

from fakes.checkout import ROOT
from posezoo.cli.main import create_parser
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import open_registry

DRAW = ROOT / "docs" / "draw.py"


def test_each_command_is_valid_and_evaluates_as_the_publisher_did():
    spec = importlib.util.spec_from_file_location("draw", DRAW)
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
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
        args = parser.parse_args(shlex.split(draw.rerun_command(spec, accuracy))[1:])
        assert args.model == spec.full_name
        assert args.flip == accuracy.flip
        boxes = {"annotated": "truth", "a detector with person AP 0.564": "boxes.json"}
        assert args.boxes == boxes.get(accuracy.boxes)
        assert (args.precision or Precision.FP16) in spec.precisions
        assert args.height == accuracy.size
        if f"side {args.height}" not in accuracy.protocol:
            assert spec.decoder.name != "associative_embedding"
