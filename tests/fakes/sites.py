"""Registries to draw galleries of, and their sites."""

from __future__ import annotations

from pathlib import Path

from fakes.zoo import model_yml, omz_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.core.settings import DEFAULT_DETECTOR
from posezoo.pages.facts.model_facts import describe_model
from posezoo.pages.gallery.gallery_data import GalleryData, collect_gallery_data
from posezoo.pages.gallery.gallery_pages import render_gallery_pages
from posezoo.pages.gallery.site_writer import write_site
from posezoo.run.measured import Measurement, update_measured_yml
from posezoo.run.measurement_selection import MeasurementSelection

MACHINE = "A processor, 2 cores, Linux"

#: name: AP as published, AP as measured, GFLOPs, MParams, images a second of the whole pipeline
FAMILIES = {
    "light_pose_a": (0.50, 0.49, 1.0, 2.0, 90.0),
    "light_pose_b": (0.60, 0.59, 2.0, 4.0, 60.0),
    "heavy_pose_a": (0.70, 0.71, 20.0, 30.0, 8.0),
    "heavy_pose_b": (0.65, None, 40.0, 60.0, None),
}


def measurements(ap, gflops, mparams, fps, **people) -> list[Measurement]:
    tools = {"openvino": "2026.4.1"}
    found = [
        Measurement(
            "complexity", Precision.FP16, {"gflops": gflops, "mparams": mparams}, tools=tools
        )
    ]
    if ap is not None:
        settings = {"data set": "val2017", **people}
        bounds = {"AP": (ap - 0.05, ap + 0.05)}
        found.append(
            Measurement("accuracy", Precision.FP16, {"AP": ap}, settings=settings, intervals=bounds)
        )
    if fps is not None:
        metrics = {"throughput_fps": fps, "latency_p50_ms": 1000 / fps}
        settings = {"device": "CPU", "pipeline": "read, found, drawn", **people}
        found.append(
            Measurement("speed", Precision.FP16, metrics, machine=MACHINE, settings=settings)
        )
    return found


def pose_zoo(root: Path) -> Path:
    """Four pose models with figures, a detector without any, and a composite of two parts."""
    models = root / "models"
    for name, (said, ap, *costs) in FAMILIES.items():
        published = {"accuracy": [{"metric": "AP", "value": said, "dataset": "COCO val2017"}]}
        is_light = name.startswith("light")
        changes = {
            "published": published,
            "decoder": {"name": "heatmap"} if is_light else {"name": "openpose"},
            "skeleton": "coco-17" if is_light else "openpose-18",
            "framework": "tflite" if is_light else "onnx",
        }
        path = write_model(models, name, model_yml(**changes))
        people = {"people_from": DEFAULT_DETECTOR} if is_light else {}
        update_measured_yml(path.with_name("measured.yml"), measurements(ap, *costs, **people))
    detector = omz_yml(
        task_type="detection", description="Finds boxes.", license="https://example.org/terms"
    )
    write_model(models, "a-detector", detector, family="intel")
    for part in ("first-part", "second-part"):
        write_model(models, f"pair/{part}", model_yml(description=f"The {part}."))
    write_composite(models, "pair", ["first-part", "second-part"])
    return models


def gathered(*roots: Path) -> GalleryData:
    """What the gallery knows of a registry."""
    registry = open_registry(roots)
    selection = registry.select()
    chosen = (*selection.composites, *selection.models)
    models = [describe_model(model, registry) for model in chosen]
    nowhere = roots[0] / "nowhere"
    return collect_gallery_data(models, ModelLayout(nowhere, nowhere), MeasurementSelection())


def written_site(folder: Path, *roots: Path) -> str:
    """A registry's site in a folder, as the address that its index is opened by."""
    write_site(folder, render_gallery_pages(gathered(*roots)))
    return f"{folder.as_uri()}/index.html"
