"""posezoo pull: download models that were pushed to an OCI registry.

With ``--format json`` it prints::

    address   str
    digest    str   of the manifest: sha256:...
    files     list  model, path, media_type, size, sha256, sha384
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.console import Console
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.core.errors import UnknownModelError, suggest
from posezoo.core.events import WarningIssued
from posezoo.oci.oci_artifacts import ADDRESS, artifact_to_json

if TYPE_CHECKING:
    from posezoo.core.download.context import ConnectionPool
    from posezoo.core.registry import Registry
    from posezoo.core.resolve.stage_context import Context
    from posezoo.oci.model_artifact import ArtifactFile, PullPlan
    from posezoo.oci.oci_client import OciAddress, OciClient

EXAMPLES = """
posezoo pull oci://registry.example.org/pose/blazepose:1.0
posezoo pull oci://localhost:5000/zoo:2026-11 movenet-lightning --weights_dir models
posezoo pull oci://localhost:5000/zoo:2026-11 --locked --verify_signature team.pub
posezoo pull oci://localhost:5000/zoo:2026-11 --dry_run
"""

FLAGS = (
    ADDRESS,
    Flag("models MODEL", "names or globs of models in the artifact (default: all)", nargs="*"),
    f"weights_dir {flags.CACHE} login_host jobs connections {flags.LOCK} {flags.REGISTRY}",
    Flag("--verify_signature KEY", "require that the lock is signed: a public key (PEM)", Path),
    Flag("--dry_run", "ask the registry only for the list of files, and print it; change nothing"),
    flags.FORMAT,
)


class _PullArgs(flags.ModelsArgs, flags.FormatArgs):
    address: OciAddress
    verify_signature: Path | None


def run(args: _PullArgs) -> int:
    """Pull, and print the paths of the files."""
    from posezoo.cli.lock_signature import require_signature
    from posezoo.core.download.context import ConnectionPool, DownloadContext
    from posezoo.oci.model_artifact import plan_pull
    from posezoo.oci.oci_client import OciClient

    context = flags.context_from_args(args)
    options = context.download_options
    if args.verify_signature:
        require_signature(context.lock.path, args.verify_signature)
    with Console(quiet=args.quiet) as console, ConnectionPool(options) as pool:
        asking = DownloadContext(str(args.address), options, console, pool=pool)
        client = OciClient(args.address, asking)
        manifest = client.read_manifest()
        files = _list_files(manifest, args.address, context.registry)
        if args.models:
            files = _select(files, args.models, args.address, context.registry)
        plans = plan_pull(
            files,
            context.registry,
            context.layout,
            context.lock,
            allowed_licenses=options.allow_licenses,
        )
        if not args.dry_run:
            host = args.address.host
            if any(plan.trusts_host for plan in plans):
                console.warn(f"{args.address}: not checked against a lock: trusted from {host}")
            key = args.verify_signature
            _pull(plans, client, context, pool, console=console, host=host, key=key)
    would = "would download " if args.dry_run else ""
    paths = [f"{would}{context.layout.output_dir / file.path}" for file in files]
    digest = f"sha256:{sha256(manifest).hexdigest()}"
    print_result(args.format, artifact_to_json(args.address, digest, files), *paths)
    return 0


def _list_files(manifest: bytes, address: OciAddress, registry: Registry) -> list[ArtifactFile]:
    """The files of an artifact; their models have full names if the registry has them."""
    from posezoo.oci.model_artifact import find_models, read_artifact

    files = []
    for file in read_artifact(manifest, address):
        models = find_models(file.path, registry)
        files.append(replace(file, model=models[0].full_name) if models else file)
    return files


def _select(
    files: Sequence[ArtifactFile],
    patterns: Sequence[str],
    address: OciAddress,
    registry: Registry,
) -> list[ArtifactFile]:
    """The files of the models and composites that fit a pattern."""
    from posezoo.oci.model_artifact import find_models

    of_files = {
        file.path: {file.model, *(model.full_name for model in find_models(file.path, registry))}
        for file in files
    }
    names = set[str]().union(*of_files.values())
    wanted = set[str]()
    for pattern in patterns:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            hint = suggest(pattern, names) or f"it has {', '.join(sorted(names))}"
            raise UnknownModelError(f"{address}: has no model {pattern}", hint=hint)
        wanted.update(fitting)
    return [file for file in files if wanted & of_files[file.path]]


def _pull(
    plans: Sequence[PullPlan],
    client: OciClient,
    context: Context,
    pool: ConnectionPool,
    console: Console,
    host: str,
    key: Path | None,
) -> None:
    """Check the records of all models, then download their files, and write their cards.

    If there is a ``key``, the lock was signed with its private key.
    """
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.pipeline.get import write_sidecars
    from posezoo.oci.model_artifact import pull_files, read_records
    from posezoo.pages.cards.model_card import NAME as CARD
    from posezoo.pages.cards.model_card import OURS, has_note

    options = context.download_options
    layout = context.layout
    is_signed = key is not None
    records = [read_records(plan, client, host=host, is_signed=is_signed) for plan in plans]
    for plan, of_plan in zip(plans, records, strict=True):
        name = plan.model.full_name
        with DownloadContext(
            name, options, console, pool=pool, records_origins=True, roots=context.layout.roots
        ) as downloads:
            pull_files(plan, of_plan, client, layout, context=downloads)
    for plan in plans:
        if CARD in plan.documents:
            card = layout.model_dir(plan.model) / CARD
            if card.exists() and not has_note(card, OURS):
                console(WarningIssued(f"{card}: posezoo did not write it, so it is kept"))
            write_sidecars(plan.model, context)
