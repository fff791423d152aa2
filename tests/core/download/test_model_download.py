import pytest

from fakes.files import WEIGHTS, declared, model, net_at, put
from posezoo.core.declarations.model import Precision
from posezoo.core.declarations.sources import FileSource
from posezoo.core.download.model_download import download_model, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin
from posezoo.core.errors import DownloadError
from posezoo.core.events import DownloadStarted
from posezoo.core.layout import ModelLayout


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
    events = []
    download_model(
        spec, layout, DownloadOptions(None), precisions=precisions, listener=events.append
    )
    folder = tmp_path / "public" / "pose"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*a") if p.is_file()) == sorted(
        name for name in left if name.endswith("a")
    )
    assert events[0] == DownloadStarted("pose", len(left), license="Apache-2.0")
    assert [
        step.file.name for step in plan_download(spec, layout, DownloadOptions(None), precisions)
    ] == left


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
    events = []
    download_options = DownloadOptions(tmp_path / "cache")
    download_model(
        model(*files), ModelLayout(tmp_path, tmp_path), download_options, listener=events.append
    )
    assert sum("cache cannot be written" in str(event) for event in events) == 1


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


def test_a_plan_sees_that_a_file_is_damaged(tmp_path):
    file = net_at("https://models.invalid/n")
    target = tmp_path / "public" / "pose" / "net.tflite"
    target.parent.mkdir(parents=True)
    for damage in (bytes(4096), WEIGHTS[1:]):
        target.write_bytes(damage)
        (step,) = plan_download(model(file), ModelLayout(tmp_path, tmp_path), DownloadOptions(None))
        assert step.origin is FileOrigin.SOURCE


@pytest.mark.parametrize("damage", [b"", WEIGHTS[1:], WEIGHTS + b"x"])
def test_a_damaged_file_in_a_mirror_or_cache_is_not_counted_as_present(tmp_path, damage):
    file = net_at("https://models.invalid/n")
    mirror = tmp_path / "mirror"
    for options in (DownloadOptions(mirror), DownloadOptions(None, (str(mirror),))):
        put(mirror, damage, file)
        (step,) = plan_download(model(file), ModelLayout(tmp_path, tmp_path), options)
        assert step.origin is FileOrigin.SOURCE
        put(mirror, WEIGHTS, file)
        (step,) = plan_download(model(file), ModelLayout(tmp_path, tmp_path), options)
        assert step.origin in (FileOrigin.MIRROR, FileOrigin.CACHE)
