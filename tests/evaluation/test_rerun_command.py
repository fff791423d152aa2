"""Every published AP of the zoo has a command that posezoo accepts."""

from __future__ import annotations

import shlex

from posezoo.cli.main import create_parser
from posezoo.evaluation.rerun_command import rerun_command
from posezoo.registry import open_registry


def test_each_command_is_valid_and_evaluates_as_the_publisher_did():
    registry = open_registry()
    models = (*registry.select().models, *registry.select(["*@*"]).models)
    accuracies = [
        (spec, accuracy) for spec in models for accuracy in spec.published.accuracy if accuracy.metric == "AP"
    ]
    assert len(accuracies) > 30
    for spec, accuracy in accuracies:
        args = create_parser().parse_args(shlex.split(rerun_command(spec, accuracy))[1:])
        assert args.model == spec.full_name
        assert args.flip == accuracy.flip
        assert (args.boxes == "truth") == (spec.decoder.name == "heatmap")
        assert args.precision in spec.precisions
        if f"side {args.short_side}" not in accuracy.protocol:
            assert spec.decoder.name != "associative_embedding"
