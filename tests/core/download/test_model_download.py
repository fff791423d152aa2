from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.files import declared, model, put
from fakes.server import Server
from posezoo.core.declarations.model import Digest, Precision, SourceFile
from posezoo.core.declarations.sources import FileSource, PythonPackageSource, Wheel
from posezoo.core.download.model_download import download_model, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin
from posezoo.core.errors import DownloadError
from posezoo.core.events import CachedFileUsed, DownloadFinished, DownloadStarted, Event
from posezoo.core.layout import ModelLayout

WEIGHTS = bytes(range(256)) * 16


def test_files_go_where_the_layout_says_and_are_reported_in_their_order(server, tmp_path):
    url = server.serve("n", WEIGHTS)
    files = [declared("FP32/pose.xml", WEIGHTS, url), declared("FP16/pose.xml", WEIGHTS, url)]
    downloaded = download_model(
        model(*files), ModelLayout(tmp_path / "down", tmp_path / "out"), DownloadOptions(None)
    )
    folder = tmp_path / "down" / "public" / "pose"
    assert downloaded == (folder / "FP32" / "pose.xml", folder / "FP16" / "pose.xml")
    assert all(path.read_bytes() == WEIGHTS for path in downloaded)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("precisions", "left"),
    [
        (None, ["FP32/a", "FP16/a", "FP16-INT8/a", "FP32-INT1/a", "FP16.txt", "data/FP16/a"]),
        ({Precision.FP16}, ["FP16/a", "FP16.txt", "data/FP16/a"]),
        (
            {Precision.FP32, Precision.FP16_INT8},
            ["FP32/a", "FP16-INT8/a", "FP16.txt", "data/FP16/a"],
        ),
        (set(), ["FP16.txt", "data/FP16/a"]),
    ],
)
def test_files_of_other_precisions_are_left_out(tmp_path, precisions, left):
    names = ("FP32/a", "FP16/a", "FP16-INT8/a", "FP32-INT1/a", "FP16.txt", "data/FP16/a")
    files = [declared(name, WEIGHTS, FileSource(tmp_path / "original")) for name in names]
    (tmp_path / "original").write_bytes(WEIGHTS)
    spec, layout = model(*files), ModelLayout(tmp_path, tmp_path)
    events: list[Event] = []
    download_model(
        spec, layout, DownloadOptions(None), precisions=precisions, listener=events.append
    )
    folder = tmp_path / "public" / "pose"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*a") if p.is_file()) == sorted(
        name for name in left if name.endswith("a")
    )
    assert events[0] == DownloadStarted("pose", len(left))
    assert [
        step.file.name for step in plan_download(spec, layout, DownloadOptions(None), precisions)
    ] == left


def test_the_end_tells_success(server, tmp_path):
    events: list[Event] = []
    spec = model(declared("net.tflite", WEIGHTS, server.serve("n", WEIGHTS)))
    download_model(
        spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None), listener=events.append
    )
    assert (events[0], events[-1]) == (DownloadStarted("pose", 1), DownloadFinished("pose", True))


def test_the_end_tells_failure_and_its_reason(server, tmp_path):
    events: list[Event] = []
    spec = model(declared("net.tflite", WEIGHTS, server.url("gone")))
    with pytest.raises(DownloadError) as caught:
        download_model(
            spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None), listener=events.append
        )
    assert events[-1] == DownloadFinished("pose", False, caught.value.problem)


def test_the_first_file_that_fails_ends_it_and_good_files_stay(server, tmp_path):
    good, after = server.serve("good", WEIGHTS), server.serve("after", WEIGHTS)
    spec = model(
        declared("a.bin", WEIGHTS, good),
        declared("b.bin", WEIGHTS, server.url("gone")),
        declared("c.bin", WEIGHTS, after),
    )
    with pytest.raises(DownloadError, match=r"b\.bin"):
        download_model(spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
    assert (tmp_path / "public" / "pose" / "a.bin").read_bytes() == WEIGHTS
    assert server.asked("after") == 0


def test_a_broken_cache_is_reported_once_for_all_files(server, tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    files = [declared(name, WEIGHTS, server.serve("n", WEIGHTS)) for name in ("a.bin", "b.bin")]
    events: list[Event] = []
    download_options = DownloadOptions(tmp_path / "cache")
    download_model(
        model(*files), ModelLayout(tmp_path, tmp_path), download_options, listener=events.append
    )
    assert sum("cache cannot be written" in str(event) for event in events) == 1


def test_a_file_source_starts_at_the_folder_of_the_model_yml(tmp_path):
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "original").write_bytes(WEIGHTS)
    file = declared("net.tflite", WEIGHTS, FileSource(Path("original")))
    spec = model(file, path=tmp_path / "zoo" / "model.yml")
    (target,) = download_model(spec, ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
    assert target.read_bytes() == WEIGHTS


def test_a_plan_names_the_place_of_every_file(server, tmp_path):
    here, cached, mirrored, sourced = (
        declared(
            f"{n}.bin",
            WEIGHTS + bytes([n]),
            f"https://models.invalid/{n}",
            f"https://spare.invalid/{n}",
        )
        for n in range(4)
    )
    folder = tmp_path / "public" / "pose"
    folder.mkdir(parents=True)
    (folder / "0.bin").write_bytes(WEIGHTS + bytes([0]))
    kept = put(tmp_path / "cache", WEIGHTS + bytes([1]), cached)
    put(tmp_path / "mirror", WEIGHTS + bytes([2]), mirrored)
    download_options = DownloadOptions(
        tmp_path / "cache", (server.url("mirror"), str(tmp_path / "mirror"))
    )
    steps = plan_download(
        model(here, cached, mirrored, sourced), ModelLayout(tmp_path, tmp_path), download_options
    )
    assert [(step.origin, step.candidate_names) for step in steps] == [
        (FileOrigin.HERE, ()),
        (FileOrigin.CACHE, (str(kept),)),
        (FileOrigin.MIRROR, (server.url("mirror"), str(tmp_path / "mirror"))),
        (
            FileOrigin.SOURCE,
            (server.url("mirror"), "https://models.invalid/3", "https://spare.invalid/3"),
        ),
    ]
    assert str(steps[0]) == f"{folder / '0.bin'} exists already"
    assert str(steps[1]) == f"{folder / '1.bin'} <- {kept}"
    assert server.requests == []


def test_a_plan_touches_nothing(tmp_path):
    file = declared("net.tflite", WEIGHTS, "https://models.invalid/n")
    folder = tmp_path / "public" / "pose"
    folder.mkdir(parents=True)
    (folder / "net.tflite").write_bytes(WEIGHTS)
    put(tmp_path / "cache", WEIGHTS, file)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    plan_download(
        model(file),
        ModelLayout(tmp_path, tmp_path),
        DownloadOptions(tmp_path / "cache", (str(tmp_path / "no mirror"),)),
    )
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_plan_sees_that_a_file_is_damaged(tmp_path):
    file = declared("net.tflite", WEIGHTS, "https://models.invalid/n")
    target = tmp_path / "public" / "pose" / "net.tflite"
    target.parent.mkdir(parents=True)
    for damage in (bytes(4096), WEIGHTS[1:]):
        target.write_bytes(damage)
        (step,) = plan_download(model(file), ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
        assert step.origin is FileOrigin.SOURCE


def test_a_plan_passes_over_what_cannot_be_looked_at(tmp_path):
    file = declared("n" * 300, WEIGHTS, "https://models.invalid/n")
    download_options = DownloadOptions(Path("c" * 300), ("m" * 300,))
    (step,) = plan_download(model(file), ModelLayout(tmp_path, tmp_path), download_options)
    assert step.candidate_names == ("https://models.invalid/n",)


def test_a_plan_is_what_a_download_does(server, tmp_path):
    file = declared("net.tflite", WEIGHTS, server.serve("n", WEIGHTS))
    spec, layout = model(file), ModelLayout(tmp_path, tmp_path)
    put(tmp_path / "mirror", WEIGHTS, file)
    download_options = DownloadOptions(
        tmp_path / "cache", (server.url("mirror"), str(tmp_path / "mirror"))
    )
    (step,) = plan_download(spec, layout, download_options)
    events: list[Event] = []
    download_model(spec, layout, download_options, listener=events.append)
    assert [event.origin for event in events if isinstance(event, CachedFileUsed)] == [
        step.candidate_names[-1]
    ]


# Both parts of BlazePose, as its model.yml files declare them: out of a wheel that no test can reach.
WHEEL = Wheel(
    "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    35622638,
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
)
BLAZEPOSE = {
    "pose_detection": (
        2959046,
        "4c90f7348ab99aff5b7b9290d6b4d0336a7fc8540dbc93e5d2708545a2f05f7fef22870a5e59cd75734f5c8d0a46a95b",
    ),
    "pose_landmark_full": (
        6440512,
        "a8a38dcd76b222dfef056b10c3bb5aba8d1ef5b5a8dee48d44e830cacd907a3d015f469111bac4618b92f0644354e121",
    ),
}


def blazepose() -> Iterator[SourceFile]:
    for name, (size, sha384) in BLAZEPOSE.items():
        module = name.removesuffix("_full")
        source = PythonPackageSource(
            "mediapipe", "0.10.21", WHEEL, f"mediapipe/modules/{module}/{name}.tflite"
        )
        yield SourceFile(f"{name}.tflite", size, Digest("sha384", sha384), (source,))


def test_offline_a_mirror_is_enough(mirror, tmp_path):
    downloaded = download_model(
        model(*blazepose()), ModelLayout(tmp_path, tmp_path), DownloadOptions(None, (str(mirror),))
    )
    assert [path.stat().st_size for path in downloaded] == [2959046, 6440512]


def test_a_mirror_behind_an_address_is_enough(mirror, tmp_path):
    with Server() as server:
        for size, sha384 in BLAZEPOSE.values():
            content = (mirror / "1" / sha384[:2] / sha384[2:]).read_bytes()
            assert len(content) == size
            server.serve(f"m/1/{sha384[:2]}/{sha384[2:]}", content)
        download_options = DownloadOptions(None, (server.url("m"),))
        downloaded = download_model(
            model(*blazepose()), ModelLayout(tmp_path, tmp_path), download_options
        )
    assert [path.stat().st_size for path in downloaded] == [2959046, 6440512]
