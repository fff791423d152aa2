"""Prove a model on the device that runs it: its networks and its poses against the CPU in f32."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.console.json_projection import project
from posezoo.core.arrays import NamedArrays
from posezoo.core.declarations.model import Precision
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.result_files import write_result
from posezoo.core.files.staging import temporary_dir
from posezoo.core.ir.ir_writer import write_ir
from posezoo.core.values import frozen
from posezoo.measure.devices.device_comparison import (
    AGREES,
    DIFFERS,
    PROVES_NOTHING,
    DeviceComparison,
    TensorDifference,
)
from posezoo.poses.keypoints import Pose, pose_similarity
from posezoo.proof.check_extent import SEEDS
from posezoo.proof.check_images import IMAGE_KINDS, draw_test_image
from posezoo.run.images import Image, read_image
from posezoo.run.load import PreparedModel, default_runtime
from posezoo.run.runtime.estimator import Estimator, collect_network_inputs
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig, describe_device

#: How many inputs a network takes from each photo at most: crops of people.
CROPS = 2

#: COCO's lowest similarity (OKS) of a person who counts as found.
SAME_PERSON = 0.5


@frozen
class PoseComparison:
    """The poses in a photo.

    Attributes:
        expected, found: how many people the CPU and the device find.
        oks: the mean similarity, 0..1, of the CPU's people to the most similar ones of the device.
        distance: the largest distance between their keypoints, in pixels of the photo.
    """

    photo: str
    expected: int
    found: int
    oks: float
    distance: float


@frozen
class DeviceProof:
    """How a model on a device differs from the same model on the CPU in f32.

    Attributes:
        devices: separated by commas.
        facts: about them, and OpenVINO's version (``describe_device``).
        precision: that of the device.
        networks: of each network by the name of its IR, the difference of each output.
        photos: the poses in each; empty without keypoints.
        comparisons: by the name of the IR.
    """

    model: str
    devices: str
    facts: Mapping[str, str]
    precision: str
    networks: Mapping[str, Mapping[str, TensorDifference]]
    photos: Sequence[PoseComparison]
    comparisons: Mapping[str, DeviceComparison]

    @property
    def verdict(self) -> str:
        """``DIFFERS`` if an output does, or the poses in all of several photos; ``AGREES`` if an
        output of each network does; else ``PROVES_NOTHING``.
        """
        verdicts = [
            {each.verdict for each in outputs.values()} for outputs in self.networks.values()
        ]
        # In one photo, a rounding can lead a network for one person to another one.
        is_elsewhere = len(self.photos) > 1 and max(each.oks for each in self.photos) < SAME_PERSON
        if is_elsewhere or DIFFERS in set().union(*verdicts):
            return DIFFERS
        return AGREES if all(AGREES in each for each in verdicts) else PROVES_NOTHING

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return _to_json(self, "model devices facts precision verdict networks photos")


def prove(prepared: PreparedModel, photos: Sequence[Path]) -> DeviceProof:
    """Run a model on random images and photos, on the CPU in f32 and on the device of the settings.

    Raises:
        InferenceError: the device cannot run it.
        ImageError: a photo cannot be read.
    """
    runtime = default_runtime(prepared.loader.context.settings)
    images = list(map(read_image, photos))
    exact, graphs = _compile(prepared, RuntimeConfig())
    tested, tested_graphs = _compile(prepared, runtime)
    comparisons = {}
    for place, network in enumerate(tested.networks):
        path = network.path
        if path in graphs:  # not the detector of an IR
            comparisons[path.stem] = DeviceComparison(
                graphs[path].model,
                tested_graphs[path].model,
                runtime,
                network.executed_precision,
                feeds=_collect_feeds(exact, place, images),
            )
    pairs = zip(photos, images, strict=True)
    poses = [_compare_poses(photo, exact(image), tested(image)) for photo, image in pairs]
    return DeviceProof(
        tested.model.full_name,
        tested.device,
        describe_device(tested.device),
        tested.executed_precision,
        networks={name: comparison.compare_outputs() for name, comparison in comparisons.items()},
        photos=[each for each in poses if each],
        comparisons=comparisons,
    )


def _compile(
    prepared: PreparedModel, runtime: RuntimeConfig
) -> tuple[Estimator, dict[Path, Graph]]:
    irs = prepared.irs.items()
    graphs = {name: Graph(ir) for name, ir in irs if isinstance(ir, Path)}
    graph = prepared.subject.open_file()
    subject = replace(prepared.subject, graph=graph)
    read = replace(prepared, irs=graphs, subject=subject)
    estimator = read.compile(LoadOptions(runtime))
    return estimator, {each.path: each for each in (*graphs.values(), graph) if each}


def _collect_feeds(estimator: Estimator, place: int, images: Sequence[Image]) -> list[NamedArrays]:
    ((name, shape),) = estimator.networks[place].inputs.items()
    feeds: list[NamedArrays] = []
    if -1 not in shape:
        for kind, seed in zip(IMAGE_KINDS, SEEDS, strict=True):
            feeds.append({name: draw_test_image(kind, shape, "NHWC", seed).astype(np.uint8)})
    for image in images:
        feeds += collect_network_inputs(estimator, image, place)[:CROPS]
    return feeds


def _compare_poses(
    photo: Path, expected: Sequence[Pose], actual: Sequence[Pose]
) -> PoseComparison | None:
    """None if they have no keypoints, or the CPU finds no person."""
    if not expected or not len(expected[0].keypoints):
        return None
    similarities = []
    distances = [0.0]
    for pose in expected:
        nearest = max(actual, key=partial(pose_similarity, pose), default=None)
        if nearest is None:
            similarities.append(0.0)
            continue
        similarities.append(pose_similarity(pose, nearest))
        is_found = (pose.keypoints[:, 2] > 0) & (nearest.keypoints[:, 2] > 0)
        offsets = (pose.keypoints - nearest.keypoints)[is_found, :2]
        distances.append(float(np.hypot(*offsets.T).max(initial=0)))
    oks = float(np.mean(similarities))
    return PoseComparison(f"{photo}", len(expected), len(actual), oks, distance=max(distances))


def write_first_differences(
    proof: DeviceProof, folder: Path, listener: Listener = ignore_event
) -> list[dict[str, Any]]:
    """Find where each network with an output that differs begins to do so, as JSON values with the
    ``path`` of an IR: the smallest subgraph that shows it, with its inputs in an .npz.

    Raises:
        OutputError: it cannot be written.
    """
    rows = []
    for network, outputs in proof.networks.items():
        wrong = [name for name, output in outputs.items() if output.verdict == DIFFERS]
        if not wrong:
            continue
        first = proof.comparisons[network].find_first_difference(wrong[0])
        path = folder / f"{network}-difference.xml"
        with temporary_dir() as private:
            written = write_ir(first.subgraph, private / path.name, Precision.FP32)
            np.savez(written.with_suffix(".npz"), **dict(first.inputs))  # type: ignore[arg-type]
            for suffix in (".xml", ".bin", ".npz"):
                content = written.with_suffix(suffix).read_bytes()
                write_result(path.with_suffix(suffix), content, listener)
        row = {
            "network": network,
            **_to_json(first, "name kind tensor is_shown"),
            "path": str(path),
        }
        rows.append(row)
    return rows


def _to_json(value: object, keys: str) -> dict[str, Any]:
    """As ``project``, with nan and inf, which JSON does not have, as text."""
    return dict(json.loads(json.dumps(project(value, keys)), parse_constant=str))
