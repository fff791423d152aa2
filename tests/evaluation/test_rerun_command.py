"""Every published AP of the zoo has a command that this command line takes."""

from __future__ import annotations

import shlex

from posezoo.cli.main import create_parser
from posezoo.evaluation.rerun_command import rerun_command
from posezoo.registry import open_registry


def test_each_command_is_understood_and_measures_as_its_publisher_did():
    registry = open_registry()
    models = (*registry.select().models, *registry.select(["*@*"]).models)
    claims = [(spec, claim) for spec in models for claim in spec.published.accuracy if claim.metric == "AP"]
    assert len(claims) > 30
    for spec, claim in claims:
        args = create_parser().parse_args(shlex.split(rerun_command(spec, claim))[1:])
        assert args.model == spec.full_name
        assert args.flip == claim.flip
        assert (args.boxes == "truth") == (spec.decoder.name == "heatmap")
        assert args.precision in spec.precisions
        if f"side {args.short_side}" not in claim.protocol:
            assert spec.decoder.name != "associative_embedding"
