"""Measure a gallery of 100 models: writing the site, its size, and showing it in a browser.

The models are generated; each has two precisions, and published and measured values. The browser is
headless Chromium with its driver; in each round, it opens the index in a new page. The exit code is
1 if a bar is missed.

    python benchmarks/bench_gallery.py [MODELS]
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import machine, record, spread
from selenium import webdriver

ROUNDS = 5
MODELS = 100

BAR_INDEX_BYTES = 60_000  # compressed
BAR_PAGE_BYTES = 15_000
BAR_DRAWN_S = 1.0  # from the request for the page until the chart and the table are shown
BAR_TYPED_S = 0.15  # from a key in the search box until both are shown again

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1400,1000",
)

MODEL_YML = """\
description: >-
  Finds the pose of everybody in a picture, number {number}: heatmaps show where each of 17 keypoints may be,
  and part affinity fields which of them belong to one person.
task_type: human_pose_estimation
framework: onnx
license: {{spdx: Apache-2.0, text: LICENSE}}
files: [{{name: net.onnx, size: {size}, checksum: "{digest}", source: "https://models.invalid/{number}.onnx"}}]
inputs: [{{name: image, shape: [1, 3, {height}, 192], layout: NCHW, color: RGB, mean: [1, 2, 3]}}]
outputs: [{{name: heatmaps, shape: [1, 17, 64, 48], layout: NCHW, role: heatmaps}}]
decoder: {{name: heatmap}}
skeleton: coco-17
published:
  accuracy: [{{metric: AP, value: {published}, dataset: COCO val2017, protocol: "single scale, no flip"}}]
"""  # noqa: E501

MEASURED_YML = """\
complexity:
  - {{precision: {precision}, figures: {{gflops: {gflops}, mparams: {mparams}}}}}
accuracy:
  - {{precision: {precision}, settings: {{data set: COCO val2017}}, figures: {{AP: {ap}}}}}
speed:
  - precision: {precision}
    machine: Made up, 2 cores
    settings: {{device: CPU, batch: 1}}
    figures: {{throughput_fps: {fps}, latency_p50_ms: {latency}}}
"""

# When the table has its rows, the chart has been drawn too; two frames later both are on the
# screen.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#rows tr")) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => (window.drawnMs = performance.now())));
}).observe(document, { childList: true, subtree: true });
"""

TYPE = """
const done = arguments[0];
const box = document.getElementById("q");
const begun = performance.now();
box.value = "1";
box.dispatchEvent(new Event("input"));
requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
"""


def main() -> int:
    """Run the rounds; print and record the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_models(folder / "models", count)
        command_s = [written_s(folder, number) for number in range(ROUNDS)]
        pages = {path: path.read_bytes() for path in (folder / "site-0").rglob("*.html")}
        index = folder / "site-0" / "index.html"
        index_bytes = len(gzip.compress(pages.pop(index)))
        page_bytes = max(map(len, pages.values()))
        drawn_s, typed_s = in_the_browser(index, folder / "profile")
    times = {"command_s": spread(command_s), "drawn_s": spread(drawn_s), "typed_s": spread(typed_s)}
    metrics = {"models": count, "index_bytes": index_bytes, "page_bytes": page_bytes, **times}
    print(json.dumps(metrics, indent=2))
    print(f"on {machine()}")
    record("bench_gallery", metrics)
    held = (
        index_bytes <= BAR_INDEX_BYTES,
        page_bytes <= BAR_PAGE_BYTES,
        times["drawn_s"]["median"] <= BAR_DRAWN_S,
        times["typed_s"]["median"] <= BAR_TYPED_S,
    )
    return 0 if all(held) else 1


def make_models(root: Path, count: int) -> None:
    """Write a registry of generated models of six families."""
    (root.parent / "licenses").mkdir()
    (root.parent / "licenses" / "LICENSE").write_text("Copyright 2026 Nobody\n")
    for number in range(count):
        family = ("simple", "mobile", "alpha", "heavy", "small", "wide")[number % 6]
        folder = root / "public" / f"{family}_pose_{number}"
        folder.mkdir(parents=True)
        gflops, ap = 0.4 * 1.06**number, 0.35 + 0.4 * number / count
        values = {
            "number": number,
            "size": 1_000_000 + 317_000 * number,
            "digest": f"{number:096x}",
            "height": 256 if number % 3 else 384,
            "published": f"{ap:.4f}",
        }
        (folder / "model.yml").write_text(MODEL_YML.format(**values))
        measured = {"precision": "FP16", "gflops": gflops, "mparams": 2 + number, "ap": ap - 0.007}
        (folder / "measured.yml").write_text(
            MEASURED_YML.format(**measured, fps=900 / gflops, latency=1.2 * gflops)
        )


def written_s(folder: Path, number: int) -> float:
    """The seconds of the whole command."""
    command = [
        sys.executable,
        "-m",
        "posezoo",
        "gallery",
        "--quiet",
        "--models_dir",
        str(folder / "models"),
    ]
    start_time = time.perf_counter()
    subprocess.run(
        [*command, "--output", str(folder / f"site-{number}")], check=True, capture_output=True
    )
    return time.perf_counter() - start_time


def in_the_browser(index: Path, profile: Path) -> tuple[list[float], list[float]]:
    """The seconds to open the index, and to update it after a key in its search box, in each
    round.
    """
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")
    )
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        drawn, typed = [], []
        for _ in range(ROUNDS):
            driver.get("about:blank")
            driver.get(index.as_uri())
            while (drawn_ms := driver.execute_script("return window.drawnMs")) is None:
                time.sleep(0.01)
            drawn.append(drawn_ms / 1000)
            typed.append(driver.execute_async_script(TYPE) / 1000)
        return drawn, typed
    finally:
        driver.quit()


if __name__ == "__main__":
    sys.exit(main())
