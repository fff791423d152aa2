"""posezoo get: download and convert models.

With ``--dry_run``, nothing is written, no server is asked, and the exit code is 1 if something
prevents the work. ``posezoo get --dry_run --format json`` prints an object with ``failed``, as
other verbs do, and ``models``, a list of objects::

    name         str
    plan         list          the lines of the text
    composite    str | null    the composite that contains it
    framework    str           of the published files
    route        str           ir, convert, network; or mo, upstream-code, removed-from-mo-2024
                               (posezoo info)
    reason       str | null    why posezoo does not convert it, in one word
    why          str | null    the same in a sentence
    hint         str | null    what to do instead
    runs         list          code of the model that would be run (--allow_upstream_code)
    files        list          the files that are needed: name, size (bytes; null: unknown),
                               max_size (the limit for an unknown size), place (here, cache, mirror
                               or source), from (the places that would be tried, in this order),
                               pinned (false: refused without --trust_on_first_use), path
    fetch_bytes  int           what the download of the files transfers; for an unknown size, its
                               limit is added
    arguments    object        inputs (name, shape, layout, and the steps before the network in
                               their order: reverse_channels, mean, scale; ir_layout is the IR's),
                               outputs (names; empty: all outputs of the network), frozen (inputs
                               that become constants), static_shape (whether values that depend only
                               on sizes are folded), network (name and arguments of posezoo's own
                               network; names: of its input and outputs, if they are not its own)
    irs          list          precision, path, since (why it must be made; null: it is up to date,
                               or published)
"""

from __future__ import annotations

from posezoo.cli import flags, model_jobs
from posezoo.convert.verbs.source_flags import select_sources

EXAMPLES = """
posezoo get blazepose-full
posezoo get blazepose-full --precisions FP16 --weights_dir models
posezoo get --all --format json
posezoo get blazepose-full --dry_run
posezoo get blazepose-full --self_check nodes
posezoo get movenet-multipose --decode --max_people 3 --weights_dir decoded
"""

FLAGS = (
    f"{flags.MODELS} weights_dir {flags.CACHE} {flags.DOWNLOAD} {flags.CONVERSION}",
    (
        f"{flags.CAMERA_INPUT} {flags.DECODE} force self_check {flags.REGISTRY}"
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
    return model_jobs.make_selected(args, task, select_sources(args, context))
