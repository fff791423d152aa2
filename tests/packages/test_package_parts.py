"""Members of packages that are too large to be downloaded for them: ranges, and what goes wrong with them."""

import base64
import json
import os
import random
import re
import subprocess
import sys
import zlib

import pytest

from fakes.checkout import ROOT
from fakes.command import refusal, run_process
from fakes.files import declared, put
from fakes.npm import make_split_tarball
from fakes.packages import Package, serve_tarball, serve_wheel
from fakes.waiting import wait_until
from fakes.wheels import NAME, make_wheel, member_of, serve_index
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import NpmPackageSource
from posezoo.core.download.origins import entry_path
from posezoo.core.download.transfer import ACCESS_POINTS, transfer_bytes
from posezoo.core.errors import DownloadError, SourceError
from posezoo.core.events import (
    PackageDownloadFinished,
    PackageDownloadStarted,
)
from posezoo.core.registry import open_registry

DICE = random.Random(7)
#: No zip and no gzip makes them smaller.
BODIES = {"net.bin": DICE.randbytes(300_000), "other.bin": DICE.randbytes(200_000)}
MEMBERS = {
    "before.bin": DICE.randbytes(700_000),
    **BODIES,
    "after.bin": DICE.randbytes(700_000),
}
#: A byte of the package that is in net.bin.
IN_NET = 720_000
#: Requests and headers, and for a wheel 96 KiB with its directory.
OVERHEAD = 120_000


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory):
    """A wheel of the members, which is only read."""
    return make_wheel(tmp_path_factory.mktemp("made"), MEMBERS)


@pytest.fixture(scope="module")
def split_tarball():
    """A tarball of the members, and its points, which are only read."""
    return make_split_tarball(MEMBERS)


@pytest.fixture
def wheel(server, tmp_path, monkeypatch, wheel_file):
    return serve_wheel(server, tmp_path, monkeypatch, wheel_file, BODIES)


@pytest.fixture
def tarball(
    server,
    tmp_path,
    monkeypatch,
    split_tarball,
):
    return serve_tarball(server, tmp_path, monkeypatch, *split_tarball, BODIES)


@pytest.fixture(params=["wheel", "tarball"], ids=["wheel", "npm"])
def package(request):
    return request.getfixturevalue(request.param)


def test_only_the_parts_with_the_files_are_downloaded(package):
    assert package.download() == [*BODIES.values()]
    assert package.sent_bytes < sum(map(len, BODIES.values())) + OVERHEAD
    assert package.warnings == ""
    assert (len(package.asked_ranges), None in package.asked_ranges) == (
        3 if package.path.endswith(".whl") else 2,
        False,
    )


def test_the_part_is_announced_with_its_size_and_that_of_the_package(package):
    package.download("net.bin")
    (started,) = package.told(PackageDownloadStarted)
    (finished,) = package.told(PackageDownloadFinished)
    assert started.size == len(package.content)
    assert 300_000 < started.part_size < 301_000
    assert (finished.successful, finished.is_part) == (True, True)


def test_several_files_at_once_share_the_directory(wheel):
    assert wheel.download(jobs=2) == [*BODIES.values()]
    assert len(wheel.asked_ranges) == 3


def test_a_part_comes_over_several_connections_if_it_is_large(server, tmp_path, monkeypatch):
    body = random.Random(1).randbytes(9 << 20)
    path = make_wheel(tmp_path / "made", {"first.bin": bytes(9), "net.bin": body})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, path, ranges=True))
    file = declared("net.bin", body, member_of(path, "net.bin"))
    package = Package(server, tmp_path, f"files/{NAME}", path.read_bytes(), (file,))
    assert package.download(connections=3) == [body]
    assert len(package.asked_ranges) == 4


def test_a_member_is_cached_by_its_own_digest_for_other_models(package, tmp_path):
    cache = tmp_path / "cache"
    package.download("net.bin", cache_dir=cache)
    kept = [path for path in (cache / "1").rglob("*") if path.is_file()]
    assert kept == [cache / entry_path(package.files[0].checksum)]
    package.server.requests.clear()
    assert package.download("net.bin", cache_dir=cache, folder="again") == [BODIES["net.bin"]]
    assert package.server.requests == []


def test_a_whole_package_in_the_cache_or_a_mirror_is_used(package, tmp_path):
    whole = package.files[0].sources[0].package_file
    for place, options in (
        ("cache", {"cache_dir": tmp_path / "cache"}),
        ("mirror", {"mirrors": (str(tmp_path / "mirror"),)}),
    ):
        put(tmp_path / place, package.content, whole)
        assert package.download(folder=f"out-{place}", **options) == [*BODIES.values()]
    assert package.asked_ranges == []


@pytest.mark.parametrize(
    "faults",
    [
        {"ranges": False},
        {"content_range": "bytes 0-9/10"},
        {"headers": {"Content-Encoding": "gzip"}, "times": 1},
    ],
    ids=["no ranges", "another range", "a proxy that compresses"],
)
def test_a_server_without_useful_ranges_sends_the_whole_package(package, faults):
    package.serve(**faults)
    assert package.download("net.bin") == [BODIES["net.bin"]]
    assert package.asked_ranges[-1] is None
    assert package.warnings.endswith("; downloading the whole package")
    assert package.told(PackageDownloadFinished)[-1].is_part is False


def test_bytes_that_changed_at_the_server_are_noticed(package):
    package.serve(wrong_byte=IN_NET, times=2 if package.path.endswith(".whl") else 1)
    assert package.download("net.bin") == [BODIES["net.bin"]]
    assert package.asked_ranges[-1] is None
    assert package.warnings.endswith("; downloading the whole package")


def test_bytes_that_stay_wrong_are_an_error(package):
    package.serve(wrong_byte=IN_NET)
    with pytest.raises(DownloadError, match=r"but SHA-[0-9]+ .* is declared"):
        package.download("net.bin")


def test_an_interrupted_part_resumes_in_the_next_run(package, tmp_path):
    cache = tmp_path / "cache"
    package.serve(cut_at=110_000)
    with pytest.raises(SourceError) as caught:
        package.download("net.bin", cache_dir=cache, attempts=1)
    assert "it resumes after the 110000 bytes" in caught.value.hint
    package.serve()
    package.server.requests.clear()
    assert package.download("net.bin", cache_dir=cache) == [BODIES["net.bin"]]
    assert package.sent_bytes < 190_000 + OVERHEAD
    left = [path for path in cache.rglob("*") if path.is_file()]
    assert left == [cache / entry_path(package.files[0].checksum)]


def test_a_version_that_changed_between_two_runs_is_not_mixed(package, tmp_path):
    cache = tmp_path / "cache"
    package.serve(cut_at=110_000, etag='"one"', wrong_byte=IN_NET)
    with pytest.raises(SourceError):
        package.download("net.bin", cache_dir=cache, attempts=1)
    package.serve(etag='"two"')
    assert package.download("net.bin", cache_dir=cache) == [BODIES["net.bin"]]


def test_a_killed_run_leaves_nothing_wrong_and_resumes(package, tmp_path):
    cache = tmp_path / "cache"

    def find_parts():
        return [each for each in cache.rglob("*.part") if each.stat().st_size > 50_000]

    package.serve(bytes_per_s=200_000)
    with package.start(cache) as process:
        wait_until(find_parts)
        process.kill()
    (part,) = find_parts()
    kept = part.stat().st_size
    package.serve()
    package.server.requests.clear()
    assert package.download("net.bin", cache_dir=cache) == [BODIES["net.bin"]]
    assert package.sent_bytes < 300_000 - kept + OVERHEAD


def test_two_processes_at_once_download_a_member_once(package, tmp_path):
    cache = tmp_path / "cache"
    package.serve(bytes_per_s=400_000)
    with package.start(cache) as process:
        wait_until(lambda: package.asked_ranges)
        assert package.download("net.bin", cache_dir=cache) == [BODIES["net.bin"]]
        assert process.wait() == 0
    assert package.sent_bytes < 300_000 + OVERHEAD


def test_a_directory_beyond_the_end_of_a_wheel_takes_another_request(server, tmp_path, monkeypatch):
    many = {f"{'x' * 200}{number}": b"" for number in range(400)}
    path = make_wheel(tmp_path / "made", {**MEMBERS, **many})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, path, ranges=True))
    file = declared("net.bin", BODIES["net.bin"], member_of(path, "net.bin"))
    package = Package(server, tmp_path, f"files/{NAME}", path.read_bytes(), (file,))
    assert package.download() == [BODIES["net.bin"]]
    assert len(package.asked_ranges) == 3
    assert package.warnings == "" and package.sent_bytes < len(package.content) / 4


def read_points(tarball):
    """The file of the access points, its content, and the part about the tarball."""
    path = tarball.folder / "models" / ACCESS_POINTS
    points = json.loads(path.read_text())
    return path, points, *points.values()


def is_downloaded_whole(tarball):
    assert tarball.download() == [*BODIES.values()]
    assert tarball.asked_ranges == [None]


@pytest.mark.parametrize(
    "change",
    [
        lambda points: "{",
        lambda points: "[]",
        lambda points: points.replace('"start"', '"begin"'),
        lambda points: points.replace("sha512:", "sha512:0"),
        None,
    ],
    ids=["no JSON", "a list", "other keys", "another tarball", "no file"],
)
def test_a_tarball_without_usable_points_is_downloaded_whole(tarball, change):
    path = tarball.folder / "models" / ACCESS_POINTS
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    is_downloaded_whole(tarball)


@pytest.mark.parametrize(
    "numbers",
    [
        {"start": -5},
        {"start": 50, "stop": 50},
        {"stop": 10**15},
        {"start": 10**30, "stop": 10**31},
        {"skip": -7},
        {"skip": 10**30},
    ],
    ids=str,
)
def test_a_point_outside_of_the_tarball_counts_as_none(tarball, numbers):
    path, points, described = read_points(tarball)
    for point in described["members"].values():
        window = described["windows"][str(point["start"])]
        point |= numbers
        described["windows"][str(point["start"])] = window
    path.write_text(json.dumps(points))
    is_downloaded_whole(tarball)


@pytest.mark.parametrize("size", [(1 << 15) + 1, 1 << 30], ids=["a byte more", "1 GiB"])
def test_a_window_that_unpacks_to_more_than_32_kib_counts_as_none(tarball, size):
    path, points, described = read_points(tarball)
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join(packer.compress(block[: size - at]) for at in range(0, size, len(block)))
    bomb = base64.b64encode(packed + packer.flush()).decode()
    described["windows"] = dict.fromkeys(described["windows"], bomb)
    path.write_text(json.dumps(points))
    is_downloaded_whole(tarball)


def test_a_pipe_in_place_of_the_points_counts_as_none(tarball):
    path = tarball.folder / "models" / ACCESS_POINTS
    path.unlink()
    os.mkfifo(path)
    is_downloaded_whole(tarball)


@pytest.mark.parametrize(
    ("key", "move"), [("start", 7), ("skip", 1), ("stop", -1000)], ids=["start", "skip", "stop"]
)
def test_a_point_that_does_not_fit_is_explained(tarball, key, move):
    path, points, described = read_points(tarball)
    point = described["members"]["package/net.bin"]
    window = described["windows"][str(point["start"])]
    point[key] += move
    described["windows"][str(point["start"])] = window
    path.write_text(json.dumps(points))
    assert tarball.download("net.bin") == [BODIES["net.bin"]]
    assert re.match(
        r"skeletons-1\.5\.0\.tgz: (cannot be unpacked|(its|the) part)", tarball.warnings
    )
    assert tarball.warnings.endswith("; downloading the whole package")


def test_our_registry_has_a_point_for_each_file_that_comes_from_npm():
    registry = open_registry([ROOT / "models"])
    count = 0
    for name in registry.entries:
        spec = registry.find(name)
        for file in spec.files if isinstance(spec, ModelSpec) else ():
            source = next(iter(file.sources), None)
            if isinstance(source, NpmPackageSource):
                count += 1
                transferred = transfer_bytes([spec], [file])
                assert transferred < max(1.05 * file.size, 300_000), f"{name}: {file.name}"
    assert count > 5


def test_the_maintainers_command_writes_points_that_fit(tarball):
    pytest.importorskip("indexed_gzip")
    path = tarball.folder / "models" / ACCESS_POINTS
    (key,) = json.loads(path.read_text())
    path.unlink()
    tarball.write_model()
    (tarball.folder / "a.tgz").write_bytes(tarball.content)
    command = [sys.executable, ROOT / "tools" / "access_points.py", tarball.folder / "a.tgz"]
    subprocess.run([*command, "--models_dir", tarball.folder / "models"], check=True)
    assert [*json.loads(path.read_text())] == [key]
    assert tarball.download("net.bin") == [BODIES["net.bin"]]
    assert None not in tarball.asked_ranges


def test_the_maintainers_command_refuses_a_tarball_of_no_model(tarball):
    tarball.write_model()
    other = tarball.folder / "a.tgz"
    other.write_bytes(tarball.content + b"!")
    command = [sys.executable, ROOT / "tools" / "access_points.py", other]
    command += ["--models_dir", tarball.folder / "models"]
    error = refusal(run_process(command))
    assert error.strip().endswith("is the tarball of no model")
