"""posezoo pull: download models that were pushed to an OCI registry.

With ``--format json`` it prints::

    address   str
    digest    str   of the manifest: sha256:...
    files     list  model, path, media_type, size, sha256, sha384
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.cli.verbs.push import ADDRESS, describe
from posezoo.console import Console
from posezoo.errors import UnknownModelError, suggest

EXAMPLES = """
posezoo pull oci://registry.example.org/pose/blazepose:1.0
posezoo pull oci://localhost:5000/zoo:2026-11 movenet-lightning --weights_dir models
posezoo pull oci://localhost:5000/zoo:2026-11 --dry_run
"""

FLAGS = (
    ADDRESS,
    Flag("models MODEL", "names or globs of models in the artifact (default: all)", nargs="*"),
    f"weights_dir {flags.CACHE} login_host jobs connections {flags.LOCK} {flags.REGISTRY}",
    Flag("--dry_run", "ask the registry only for the list of files, and print it; change nothing"),
    flags.FORMAT,
)


def run(args: argparse.Namespace) -> int:
    """Pull, and print the paths of the files."""
    from posezoo.cards.model_card import NAME as CARD
    from posezoo.cards.model_card import OURS, has_note
    from posezoo.download.context import ConnectionPool, DownloadContext
    from posezoo.events import WarningIssued
    from posezoo.oci.model_artifact import (
        find_model,
        plan_pull,
        pull_files,
        read_artifact,
        read_records,
    )
    from posezoo.oci.oci_client import OciClient
    from posezoo.pipeline.get import write_model_card

    context = flags.context_from_args(args)
    options, layout = context.download_options, context.layout
    flags.require_local("pull", layout.output_dir)
    with Console(quiet=args.quiet) as console, ConnectionPool(options) as pool:
        client = OciClient(
            args.address, DownloadContext(str(args.address), options, console, pool=pool)
        )
        manifest = client.read_manifest()
        digest, files = f"sha256:{sha256(manifest).hexdigest()}", []
        for file in read_artifact(manifest, args.address):
            model = find_model(file.path, context.registry)
            files.append(replace(file, model=model.full_name) if model else file)
        if args.models:
            # The name of a composite is the folder of its parts.
            names = {name for file in files for name in (file.model, file.path.split("/")[1])}
            for pattern in args.models:
                if not any(fnmatchcase(name, pattern) for name in names):
                    hint = suggest(pattern, names) or f"it has {', '.join(sorted(names))}"
                    raise UnknownModelError(f"{args.address}: has no model {pattern}", hint=hint)
            wanted = {
                name for name in names for pattern in args.models if fnmatchcase(name, pattern)
            }
            files = [file for file in files if wanted & {file.model, file.path.split("/")[1]}]
        plans = plan_pull(files, context.registry, layout, context.lock, options.allow_licenses)
        if args.dry_run:
            plans = []
        is_locked = context.lock.is_strict
        records = [read_records(plan, client, is_locked=is_locked) for plan in plans]
        for plan, of_plan in zip(plans, records, strict=True):
            name = plan.model.full_name
            with DownloadContext(
                name, options, console, pool=pool, records_origins=True
            ) as downloads:
                pull_files(plan, of_plan, client, layout, downloads)
        for plan in plans:
            card = layout.model_dir(plan.model) / CARD
            if CARD in plan.documents:
                if card.exists() and not has_note(card, OURS):
                    console(WarningIssued(f"{card}: posezoo did not write it, so it is kept"))
                write_model_card(plan.model, context)
    paths = [
        f"{'would download ' if args.dry_run else ''}{layout.output_dir / file.path}"
        for file in files
    ]
    print_result(args, describe(args.address, digest, files), *paths)
    return 0
