"""Write IR to a staging folder, check them, and only then move them to their final folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert import frontends
from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.convert.feature_steps import INT8_MAKER
from posezoo.core.convert.formats import is_ir
from posezoo.core.convert.ir_proof import IR_PROOF, StartProofs
from posezoo.core.convert.preprocess import describe_inputs
from posezoo.core.convert.proof_result import SelfCheckResult
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.events import (
    Listener,
    SelfCheckFinished,
    SelfCheckPassed,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files import manifest, verified_files
from posezoo.core.files.manifest import Json, describe, read_digests
from posezoo.core.files.staging import create_parent, output_error, staging_dir
from posezoo.core.ir import ir_writer, provenance
from posezoo.core.ir.complexity import compute_complexity
from posezoo.core.lockfile.entries import LockEntry
from posezoo.core.operating_system import release_memory, replace_file, sync
from posezoo.core.resolve.resolved import Resolved, Target
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Model


_NOT_CHECKED = SelfCheckResult(
    "", "", "", (), outputs={}, not_compared="--self_check off was given"
)

# How many steps run at the same time: the original, and the checks of both IR until they need its
# outputs. Files are hashed after the original was run: one core is free while an IR is compiled.
_STEPS = 3


@frozen
class StagedIr:
    """A complete IR in a staging folder.

    Attributes:
        target: the IR that it becomes.
        files: the entries of its two files in the manifest, from ``describe_files``.
        record: the content of its provenance.json; None if it gets none.
    """

    xml: Path
    target: Target
    files: Mapping[str, Json]
    record: bytes | None


def describe_files(xml: Path) -> Mapping[str, Json]:
    """The entries of the two files of an IR, by their names, once their bytes are on the disk.

    Raises:
        OutputError: they cannot be written to the disk.
    """
    files = {}
    for path in map(xml.with_suffix, provenance.SUFFIXES):
        with verified_files.writing(path):
            sync(path)  # while others compute: else the recording of the digest waits for it
        files[path.name] = describe(path.stat().st_size, verified_files.compute_digest(path))
    return files


def write_checked_irs(
    read: Callable[[], Model],
    resolved: Resolved,
    source: frontends.VerifiedSource,
    options: ConversionOptions,
    *,
    start_proofs: StartProofs | None = None,
    is_recorded: bool = True,
    listener: Listener = ignore_event,
) -> list[SelfCheckResult]:
    """Write, check and publish the IR of a network; no file is replaced unless all IR pass the
    check.

    Args:
        read: makes the network, an ``openvino.Model`` with its preprocessing and description; its
            memory is free before an IR is run.
        start_proofs: proves the IR in another way than ``IR_PROOF``.
        is_recorded: whether a provenance.json is written beside each IR.

    Returns:
        The result of the check for each IR.

    Raises:
        SelfCheckError: the outputs of an IR differ from those of the original.
        LockError: a strict lock does not list an IR.
        OutputError: a file cannot be written.
    """
    spec = resolved.read_model
    targets = resolved.targets
    network = read()
    if options.self_check and start_proofs is None:
        filled = describe_inputs(spec, network)
        start_proofs = IR_PROOF.part.plan(network, filled, source, options)
    complexity = compute_complexity(network)
    with staging_dir(resolved.layout.model_dir(spec)) as folder, ThreadPoolExecutor(_STEPS) as pool:
        paths, bases = _write_irs(network, resolved, folder, with_exact=options.self_check)
        del network
        release_memory()
        for precision, base in bases.items():
            INT8_MAKER.part.write(paths[base], paths[precision], spec, resolved.decoder)
        # Most of these steps use one core only, and take seconds for a large network: they run in
        # parallel.
        proofs = _find_locked_proofs(targets, paths, options)
        checks: Mapping[Precision, Future[SelfCheckResult]] = {}
        if options.self_check and not proofs and start_proofs:
            checks = start_proofs(pool, paths)
        hashed = [pool.submit(describe_files, paths[target.precision]) for target in targets]
        results = _wait_for(checks, proofs, resolved, listener)
        staged = []
        for target, result, hashing in zip(targets, results, hashed, strict=True):
            files = hashing.result()
            record = provenance.format_provenance(
                resolved.source,
                resolved.decoder,
                files,
                self_check=_describe_check(result, proofs.get(target.precision)),
                complexity=complexity,
                int8=provenance.Int8Record(provenance.ranges_key(spec, target.precision)),
            )
            xml = paths[target.precision]
            staged.append(StagedIr(xml, target, files, record if is_recorded else None))
        replace_irs(staged, listener=listener)
    return results


def _write_irs(
    network: Model, resolved: Resolved, folder: Path, *, with_exact: bool
) -> tuple[dict[Precision, Path], dict[Precision, Precision]]:
    """Write the IR that are made of a network, and return the paths of all, and the precision from
    which INT8 is made then.

    An IR in FP16 is proven by the FP32 IR (``with_exact``), and INT8 is made from the FP16 IR:
    these are also written if they were not requested. A published IR is compared with itself.
    """
    spec = resolved.read_model
    requested = [target.precision for target in resolved.targets]
    exact = requested[0] if spec.is_ir else Precision.FP32
    precisions = [exact, *requested] if with_exact else requested
    bases = {each: Precision.FP16 for each in precisions if provenance.ranges_key(spec, each)}
    written = dict.fromkeys(bases.get(each, each) for each in precisions)
    paths = {each: folder / each / f"{spec.name}.xml" for each in (*written, *bases)}
    for each in written:
        # A published IR keeps the types of its constants.
        ir_writer.write_ir(network, paths[each], Precision.FP32 if spec.is_ir else each)
    return paths, bases


def _find_locked_proofs(
    targets: Sequence[Target], xmls: Mapping[Precision, Path], options: ConversionOptions
) -> dict[Precision, LockEntry]:
    """The entries of a strict lock that say that these very bytes were proven; empty unless there
    is one for each IR.
    """
    proofs: dict[Precision, LockEntry] = {}
    if not options.self_check or options.by_nodes:
        return proofs
    for target in targets:
        agreed = target.agreed
        if not (agreed and agreed.proof and agreed.lists(xmls[target.precision])):
            return {}
        proofs[target.precision] = agreed.proof
    return proofs


def _wait_for(
    checks: Mapping[Precision, Future[SelfCheckResult]],
    proofs: Mapping[Precision, LockEntry],
    resolved: Resolved,
    listener: Listener,
) -> list[SelfCheckResult]:
    """What is not known of the source is not known of the IR."""
    spec = resolved.read_model
    start_time = time.monotonic()
    results = []
    for target in resolved.targets:
        result = _NOT_CHECKED
        if proofs and target.agreed:
            result = _as_in_lock(proofs[target.precision], target.agreed.lock)
        elif checks:
            result = checks[target.precision].result()
            if resolved.not_compared:
                result = replace(result, not_compared=resolved.not_compared)
            _report_passed(spec, target.precision, result, listener)
        results.append(result)
    for reason in filter(None, dict.fromkeys(result.not_compared for result in results)):
        problem = f"cannot be compared with its original, because {reason}"
        listener(WarningIssued(f"{spec.full_name}: {problem}"))
    if checks:
        listener(SelfCheckFinished(spec.full_name, time.monotonic() - start_time))
    return results


def _as_in_lock(proof: LockEntry, lock: Path) -> SelfCheckResult:
    proven = f"which was proven on {proof.proven_at[:10]}, compared with {proof.proven_with}"
    reduction = f"as in {lock.name}, {proven}"
    return SelfCheckResult(proof.proven_with, "", "", (), outputs={}, reduction=reduction)


def _describe_check(result: SelfCheckResult, proof: LockEntry | None) -> dict[str, object]:
    if proof:
        return {"checked_at": proof.proven_at, **result.to_record()}
    if result is _NOT_CHECKED:
        return {"proof": result.proof, "outputs": {}, "not_compared": result.not_compared}
    return result.to_record()


def _report_passed(
    spec: ModelSpec, precision: Precision, result: SelfCheckResult, listener: Listener
) -> None:
    if not (result.reference or result.int8):
        return
    worst = result.worst_difference
    passed = SelfCheckPassed(
        spec.full_name,
        precision,
        worst.difference,
        worst.tolerance,
        reference=result.reference,
        unprovable=result.unprovable,
        not_compared=result.not_compared,
        reduction=result.reduction,
        values=result.values,
        nodes=result.nodes,
        int8=result.int8,
    )
    if result.largest_rounding:
        output, rounding = result.largest_rounding
        passed = replace(
            passed,
            rounding=rounding.relative,
            rounded_output=output,
            rounding_in_unit=rounding.absolute if rounding.unit else None,
            unit=rounding.unit,
        )
    listener(passed)


def replace_irs(staged: Sequence[StagedIr], *, listener: Listener = ignore_event) -> None:
    """Move checked IR to their final folders; an IR with the same bytes is kept, and files that are
    not those of its record are renamed.

    The manifest lists the new digests first. Then the old .xml is removed, and the new .xml is
    moved last: if the process stops, there is the old pair, the new pair, or no .xml, but never a
    mixture. If the record, which is moved at the end, does not match the pair, the next conversion
    makes the IR again. The same happens after a power failure: the bytes are synced before the
    record is written.

    Raises:
        LockError: a strict lock does not list one of them; then none is moved.
        OutputError: one cannot be moved. An existing IR is then still complete, or has no .xml.
    """
    for ir in staged:
        if ir.target.agreed:
            ir.target.agreed.require(ir.xml)
    for ir in staged:
        if ir.record is not None:
            verified_files.write_atomically(
                ir.xml.with_name("provenance.json"), ir.record, lasting=False
            )
    for ir in staged:  # all bytes are written: a full disk cannot interrupt these moves
        try:
            _replace_ir(ir, listener)
        except OSError as error:
            raise output_error(f"{ir.target.xml}: cannot be moved to its folder", error) from error


def _replace_ir(ir: StagedIr, listener: Listener) -> None:
    xml = ir.target.xml
    create_parent(xml)
    if not manifest.Manifest(ir.files).has_bytes(xml.parent, *ir.files):
        _keep_foreign(ir, listener)
        xml.unlink(missing_ok=True)
        for suffix in (".bin", ".xml"):
            part = ir.xml.with_suffix(suffix)
            sync(part)
            replace_file(part, xml.with_suffix(suffix))
    if ir.record is not None:
        record = xml.with_name(manifest.NAME)
        if not manifest.is_manifest(record):
            verified_files.set_aside(record, listener)
        replace_file(ir.xml.with_name(manifest.NAME), record)


def _keep_foreign(ir: StagedIr, listener: Listener) -> None:
    """List the two files of an IR, and rename those here that are not listed. An IR without a
    record replaces any other, as Model Optimizer's does.
    """
    xml = ir.target.xml
    if ir.record is None and is_ir(xml):
        return
    digests = {name: read_digests(entry)[0] for name, entry in ir.files.items()}
    listed = manifest.Manifest()
    if ir.record is not None:
        listed = manifest.stage(xml.parent, digests, listener)
    for name, digest in digests.items():
        accepted = [digest, *listed.digests(name)]
        verified_files.set_aside(xml.with_name(name), listener, accepted)
