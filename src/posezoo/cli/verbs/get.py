"""posezoo get: download and convert models."""

from __future__ import annotations

from posezoo.cli import flags, model_jobs

EXAMPLES = """
posezoo get blazepose-full
posezoo get blazepose-full --precisions FP16 --weights_dir models
posezoo get --all --format json
posezoo get blazepose-full --proof nodes
posezoo get movenet-multipose --decode --max_people 3 --weights_dir decoded
"""

FLAGS = (
    f"{flags.MODELS} weights_dir {flags.CACHE} {flags.DOWNLOAD} {flags.CONVERSION}",
    (
        f"{flags.CAMERA_INPUT} {flags.DECODE} force proof self_check {flags.REGISTRY}"
        f" {flags.CLUSTER} dry_run {flags.FORMAT}"
    ),
)


class _GetArgs(flags.ConversionArgs, flags.ProofArgs, flags.InputArgs):
    pass


def run(args: _GetArgs) -> int:
    """Download and convert, and print the paths of the IR."""
    flags.require_model_optimizer(args)
    from posezoo.cli.conversion_task import ConversionTask

    context = flags.context_from_args(args)
    options = flags.conversion_options_from_args(args)
    inputs = flags.input_options_from_args(args)
    task = ConversionTask(context, args.precisions, options, inputs)
    return model_jobs.make_selected(args, task)
