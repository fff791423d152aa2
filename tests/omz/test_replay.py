"""The command lines of public projects do what openvino-dev 2024.6 does, in an environment with the stand-in wheel.

``STORE_REPLAY=1`` writes what the run found to replay.tsv.
"""

import csv
import importlib.util
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.command import assert_success
from fakes.fence import online
from fakes.server import Server
from fakes.soak import soak
from omz import projects
from omz.replay import RELEASES, Call, Left, Result, Zoos, compare, replay
from omz.replay_copies import CopiedSides
from omz.runs import MO_ENV, ROOT
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import PosezooError
from posezoo.packages.wheel_registry import read_wheel_registry

LINES = projects.read_lines()
CALLS = [line for line in LINES if line.tool in projects.PARSERS]
SCRIPTS = list(dict.fromkeys((line.project, line.path) for line in CALLS))
#: The lines of the others are replayed before a release.
TESTED = set(SCRIPTS[::3])
STORED = projects.read_results()
KEYS = ("outcome", "needs", "differences", "why")

needs_mo_env = pytest.mark.skipif(
    not (MO_ENV / "bin" / "omz_downloader").exists(), reason="needs make build/mo-env"
)


@pytest.fixture(scope="session")
def zoos(tmp_path_factory):
    """The generated zoos, of the models that the lines name."""
    try:
        with online():
            releases = {name: read_wheel_registry(name, DownloadOptions(None)) for name in RELEASES}
    except PosezooError as error:
        pytest.skip(f"Open Model Zoo's metadata cannot be read: {error.problem}")
    with Server() as server:
        models = {model for line in CALLS for model in line.models}
        yield Zoos(tmp_path_factory.mktemp("replay"), server, releases, models, MO_ENV)


@pytest.fixture(scope="session")
def results(zoos, tmp_path_factory, request):
    """The result of each line of the selected tests; the lines of one script are run in their order."""
    name = test_a_line_does_what_is_stored.__name__
    items = [item for item in request.session.items if getattr(item, "originalname", "") == name]
    selected = [item.callspec.params["line"] for item in items]
    scripts = {(line.project, line.path): [] for line in selected}
    for line in CALLS:
        if (line.project, line.path) in scripts:
            scripts[line.project, line.path].append(Call.of(line))
    folder, sides = tmp_path_factory.mktemp("scripts"), CopiedSides(zoos)

    def run(number, calls):
        return replay(calls, sides, folder / str(number))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ended = list(pool.map(run, range(len(scripts)), scripts.values()))
    found = {
        call.line: result
        for calls, results in zip(scripts.values(), ended, strict=True)
        for call, result in zip(calls, results, strict=True)
    }
    if os.environ.get("STORE_REPLAY") == "1":
        _store(found)
    return found


def _store(results):
    with (projects.TABLES / "replay.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        writer.writerow(("project", "path", "line", *KEYS))
        for line in CALLS:
            key = (line.project, line.path, line.line)
            if found := results.get(line, STORED.get(key)):
                writer.writerow((*key, *(getattr(found, name) for name in KEYS)))


@pytest.mark.judge
@needs_mo_env
@pytest.mark.parametrize(
    "line",
    [line if (line.project, line.path) in TESTED else soak(line) for line in CALLS],
    ids=lambda line: f"{line.project}: {line.line}",
)
def test_a_line_does_what_is_stored(line, results):
    stored = projects.read_results()[line.project, line.path, line.line]
    assert results[line] == Result(**{key: getattr(stored, key) for key in KEYS})


def left(tool="downloader", **changes):
    """What a call left: a file, which the converter made of another one if ``tool`` says so."""
    files = {"public/m/m.onnx": "digest", "public/m/FP16/m.xml": "digest"}
    converted = {"public/m/FP16/m.xml"} if tool == "converter" else set()
    fields = {
        "code": 0,
        "stderr": "",
        "models": ("m",),
        "failed": (),
        "files": files,
        "changed": frozenset(files),
        "converted": frozenset(converted),
        "inputs": {path: {("image", "1,3,4,6", "f32")} for path in converted},
    }
    fields |= changes
    if "files" in changes:
        fields["changed"] = frozenset(changes["files"])
    return Left(**fields)


@pytest.mark.parametrize(
    ("tool", "changes", "why"),
    [
        ("downloader", {"code": 1}, "code: 0 and 1"),
        ("downloader", {"models": ()}, "models: ('m',) and ()"),
        ("converter", {"failed": ("m",)}, "failed: () and ('m',)"),
        ("downloader", {"files": {"public/m/m.onnx": "digest"}}, "ours lacks public/m/FP16/m.xml"),
        (
            "downloader",
            {"files": {"public/m/m.onnx": "other", "public/m/FP16/m.xml": "digest"}},
            "public/m/m.onnx differs",
        ),
        (
            "downloader",
            {"files": {**left().files, "public/m/README.md": "digest"}},
            "only ours has public/m/README.md",
        ),
        (
            "converter",
            {"inputs": {"public/m/FP16/m.xml": {("image", "1,4,6,3", "f32")}}},
            "the inputs of public/m/FP16/m.xml differ",
        ),
    ],
)
def test_the_comparison_sees_what_differs(tool, changes, why):
    line = next(line for line in CALLS if line.tool == tool and line.models)
    assert compare(Call.of(line), left(tool), left(tool)) == Result("same")
    found = compare(Call.of(line), left(tool), left(tool, **changes))
    assert (found.outcome, found.why) == ("differs", why)


def test_each_line_was_replayed():
    assert list(STORED) == [(line.project, line.path, line.line) for line in CALLS]


def test_only_what_no_release_had_is_refused():
    names = projects.read_names()
    refused = {key for key, row in STORED.items() if row.outcome == "refused"}
    unknown = [line for line in CALLS if line.tool != "quantizer" and not line.can_run(names)]
    assert refused == {(line.project, line.path, line.line) for line in unknown}


def test_nearly_all_lines_leave_what_2024_6_leaves():
    outcomes = [row.outcome for row in STORED.values()]
    assert outcomes.count("same") >= 0.95 * (outcomes.count("same") + outcomes.count("differs"))
    assert all(row.why for row in STORED.values() if row.outcome in ("differs", "unconverted"))


def test_each_difference_is_explained_in_the_readme():
    spec = importlib.util.spec_from_file_location("omz_page", ROOT / "docs" / "omz_page.py")
    omz_page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(omz_page)
    reasons = {
        f"{tool.__name__.rpartition('.')[2]} {flag}": reason
        for tool, flags in omz_page.DIFFERENCES.items()
        for flag, reason in flags.items()
    }
    found = {each for row in STORED.values() for each in row.differences.split(", ") if each}
    assert found
    assert all(reasons[each] for each in found)


def test_the_page_states_what_the_lines_did():
    page = " ".join((ROOT / "docs" / "migrating.md").read_text("utf-8").split())
    outcomes = Counter(row.outcome for row in STORED.values())
    unchanged = sum(row.outcome == "same" and not row.needs for row in STORED.values())
    of_mo = [line.outcome_of_mo() for line in LINES if line not in CALLS]
    stated = (
        f"Of {len(LINES)} command lines",
        f"of {len({line.project for line in LINES})} public projects",
        f"{len(CALLS)} call Open Model Zoo's commands",
        f"{unchanged} have the same result, {outcomes['same'] - unchanged} with a setting",
        f"{outcomes['refused']} are refused by both",
        f"{outcomes['alone']} call the quantizer",
        f"{outcomes['unconverted']} need the code of their authors or real networks",
        f"Of {len(of_mo)} lines of Model Optimizer",
        f"converts the files of {of_mo.count(projects.CONVERTED)}",
    )
    assert not [words for words in stated if words not in page]


def run_script(zoos, folder, script):
    """Run a script in an empty folder, with the stand-in's commands on PATH."""
    folder.mkdir(exist_ok=True)
    return zoos.ours("all", {}).run(script, folder)


def lines_of(project, path, model=""):
    """The command lines of a script, or those of one of its models."""
    rows = [line for line in CALLS if (line.project, line.path) == (project, path)]
    return [row.line for row in rows if not model or row.models == (model,)]


def test_dl_streamers_script_gets_a_model(zoos, tmp_path):
    model = "human-pose-estimation-0001"
    download, convert = lines_of(
        "open-edge-platform/dlstreamer", "samples/download_omz_models.sh", model
    )
    ended = run_script(
        zoos,
        tmp_path / "here",
        f"set -e; python3 -m pip show -qq openvino-dev; mkdir -p models && {download} && {convert}",
    )
    assert_success(ended)
    assert (tmp_path / "here/models/intel" / model / f"FP32/{model}.xml").is_file()


def test_scenescapes_script_links_its_default_models(zoos, tmp_path):
    script = "set -e; mkdir -p models/ovms models/cache"
    models = (
        "person-detection-retail-0013",
        "person-reidentification-retail-0277",
        "human-pose-estimation-0001",
    )
    for model in models:
        (download,) = lines_of("tdorauintc/scenescape", "docker/install-omz-models", model)
        script += f"; test -d models/intel/{model} || {download}; test -d models/intel/{model}/FP32"
        script += (
            f"; mkdir models/ovms/{model}; ln -s ../../intel/{model}/FP32 models/ovms/{model}/1"
        )
    ended = run_script(zoos, tmp_path / "here", script)
    assert_success(ended)
    for model in models:
        assert (tmp_path / f"here/models/ovms/{model}/1/{model}.xml").is_file()


@pytest.mark.parametrize(
    "model", ["age-gender-recognition-retail-0013", "face-detection-retail-0004"]
)
def test_the_plugin_of_edge_ai_libraries_moves_what_it_gets(model, zoos, tmp_path):
    path = "microservices/model-download/src/plugins/external_sources_plugin.py"
    download, convert = lines_of("open-edge-platform/edge-ai-libraries", path, model)
    convert = convert.replace(" --mo bin/mo", ' ${mo:+--mo "$mo"}')
    script = f"set -e; mo=$(command -v mo || :); {download}; {convert}; mkdir target; mv work/*/{model}/* target"
    ended = run_script(zoos, tmp_path / "here", script)
    assert_success(ended)
    assert {"FP16", "FP32"} <= {path.name for path in (tmp_path / "here/target").iterdir()}


def test_model_servers_makefile_gets_a_model_with_a_version(zoos, tmp_path):
    folder = "models/public/resnet-50-tf"
    lines = lines_of("openvinotoolkit/model_server", "Makefile")
    script = f"set -e; mkdir models; {'; '.join(lines)}; mv {folder}/FP32 {folder}/1"
    ended = run_script(zoos, tmp_path / "here", script)
    assert_success(ended)
    assert {"resnet-50-tf.xml", "resnet-50-tf.bin"} <= {
        path.name for path in (tmp_path / "here" / folder / "1").iterdir()
    }


def test_a_script_finds_the_folder_that_the_information_dumper_names(zoos, tmp_path):
    read = "python3 -c 'import sys, json; print(json.load(sys.stdin)[0][\"subdirectory\"])'"
    script = f"omz_info_dumper --name resnet-50-tf | {read}"
    ended = run_script(zoos, tmp_path / "here", script)
    assert (ended.returncode, ended.stdout) == (0, "public/resnet-50-tf\n")
