"""Prove the IR of a network: compute the outputs of the original once, and compare each IR with
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.convert.frontends import VerifiedSource
from posezoo.core.convert.ir_proof import IrProof, StartProofs
from posezoo.core.convert.proof_result import SelfCheckResult
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.ir import provenance
from posezoo.proof.check_extent import choose_extent
from posezoo.proof.reference_outputs import FindReference, compute_reference
from posezoo.proof.self_check import IrCheck

if TYPE_CHECKING:
    from openvino import Model


class _Proof(IrProof):
    def plan(
        self,
        network: Model,
        spec: ModelSpec,
        source: VerifiedSource,
        options: ConversionOptions,
    ) -> StartProofs:
        """See ``IrProof``."""
        extent = choose_extent(network, spec)
        compute = partial(compute_reference, spec, source, extent, by_nodes=options.by_nodes)

        def start(
            pool: ThreadPoolExecutor, xmls: Mapping[Precision, Path]
        ) -> dict[Precision, Future[SelfCheckResult]]:
            find_reference = pool.submit(compute).result
            return start_proofs(spec, source, options, find_reference, pool, xmls)

        return start


PROOF = _Proof()


def start_proofs(
    spec: ModelSpec,
    source: VerifiedSource,
    options: ConversionOptions,
    find_reference: FindReference,
    pool: ThreadPoolExecutor,
    xmls: Mapping[Precision, Path],
) -> dict[Precision, Future[SelfCheckResult]]:
    """As ``StartProofs``, with the outputs of the original from ``find_reference``."""
    checks: dict[Precision, Future[SelfCheckResult]] = {}
    exact = next(iter(xmls))
    for precision, xml in xmls.items():
        if precision == exact:
            check = IrCheck(spec, Precision.FP32, xml, source, options.is_strict, options.by_nodes)
            checks[precision] = pool.submit(check.run, find_reference)
            continue
        check = IrCheck(spec, precision, xml, source)
        has_ranges = provenance.ranges_key(spec, precision)
        base = Precision.FP16 if has_ranges else exact
        run = check.run_as_int8 if has_ranges else check.run_as_rounding
        checks[precision] = pool.submit(run, xmls[base], checks[base].result, find_reference)
    return checks
