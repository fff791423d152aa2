"""What model.yml has done to downloaded files, once, and again only where something changed."""

import hashlib
import json
from dataclasses import replace

import pytest

from fakes.files import declared, model, zipped
from posezoo.core.declarations.model import (
    Digest,
    RegexReplace,
    SourceFile,
    UnpackArchive,
)
from posezoo.core.declarations.sources import FileSource
from posezoo.core.download.model_download import download_model, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin
from posezoo.core.errors import DownloadError
from posezoo.core.events import (
    FilePostprocessingStarted,
    FileUpToDate,
    PostprocessingFinished,
    PostprocessingStarted,
    WarningIssued,
)
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.artifact_states import check_artifacts

SCRIPT = b"import wget\nnet = 1\n"


ARCHIVE = zipped({"net.pb": b"graph", "code/util.py": SCRIPT})


@pytest.fixture
def spec(tmp_path):
    """A model of an archive and a script; the script, and one in the archive, are changed."""
    files = []
    for name, body in (("sub/net.zip", ARCHIVE), ("run.py", SCRIPT)):
        origin = tmp_path / name.replace("/", "-")
        origin.write_bytes(body)
        files.append(declared(name, body, FileSource(origin)))
    steps = (
        UnpackArchive("sub/net.zip", "zip"),
        RegexReplace("run.py", "import wget", r"# \g<0>"),
        RegexReplace("run.py", "1", "2"),
        RegexReplace("sub/code/util.py", "import wget", r"# \g<0>"),
    )
    return replace(model(*files), postprocessing=steps)


@pytest.fixture
def fetch(tmp_path):
    """download(spec) and what it told."""

    def fetch(spec, **options):
        told = []
        layout = ModelLayout(tmp_path / "out", tmp_path / "out")
        download_model(
            spec, layout, DownloadOptions(cache_dir=None), listener=told.append, **options
        )
        return told

    return fetch


def done(told):
    return [
        (each.action, each.model_file)
        for each in told
        if isinstance(each, FilePostprocessingStarted)
    ]


def test_archives_are_unpacked_and_texts_replaced(spec, fetch, tmp_path):
    told = [each for each in fetch(spec) if not isinstance(each, WarningIssued)]
    folder = tmp_path / "out" / "public" / "pose"
    assert (folder / "sub" / "net.pb").read_bytes() == b"graph"
    assert (folder / "run.py").read_text() == "# import wget\nnet = 2\n"
    assert (folder / "sub" / "code" / "util.py").read_text() == "# import wget\nnet = 1\n"
    assert told[-5] == PostprocessingStarted("pose")
    assert told[-1] == PostprocessingFinished("pose", True)
    assert done(told) == [
        ("unpack", "sub/net.zip"),
        ("replace_text", "run.py"),
        ("replace_text", "sub/code/util.py"),
    ]


def test_a_task_file_and_a_packed_data_file_are_unpacked_once(tmp_path, fetch):
    """MediaPipe publishes networks in both; a script lists the members of the second."""
    listed = {
        "files": [{"filename": "/modules/net.tflite", "start": 0, "end": 5}],
        "remote_package_size": 5,
    }
    script = f"loadPackage({json.dumps(listed)});".encode()
    files = []
    contents = {
        "pose.task": zipped({"net.pb": b"graph"}),
        "assets.data": b"graph",
        "loader.js": script,
    }
    for name, body in contents.items():
        (tmp_path / name).write_bytes(body)
        files.append(declared(name, body, FileSource(tmp_path / name)))
    steps = (
        UnpackArchive("pose.task", "zip"),
        UnpackArchive("assets.data", "emscripten", "loader.js"),
    )
    spec = replace(model(*files), postprocessing=steps)
    assert done(fetch(spec)) == [("unpack", "pose.task"), ("unpack", "assets.data")]
    folder = tmp_path / "out" / "public" / "pose"
    assert (
        (folder / "net.pb").read_bytes()
        == (folder / "modules" / "net.tflite").read_bytes()
        == b"graph"
    )
    assert done(fetch(spec)) == []


@pytest.mark.parametrize("name", ["sub/net.pb", "run.py", "sub/code/util.py"])
@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"other")]
)
def test_what_was_made_is_made_again_where_it_is_gone_or_changed(
    spec, fetch, tmp_path, name, damage
):
    fetch(spec)
    path = tmp_path / "out" / "public" / "pose" / name
    good = path.read_bytes()
    damage(path)
    assert done(fetch(spec))
    assert path.read_bytes() == good


def test_after_the_archive_is_deleted_a_run_does_nothing(spec, fetch, tmp_path):
    fetch(spec)
    folder = tmp_path / "out" / "public" / "pose"
    (folder / "sub" / "net.zip").unlink()
    (tmp_path / "sub-net.zip").unlink()  # nor could anybody bring it
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    told = fetch(spec)
    assert done(told) == []
    assert FileUpToDate("pose", "sub/net.zip") in told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    layout = ModelLayout(tmp_path / "out", tmp_path / "out")
    planned = plan_download(spec, layout, DownloadOptions(cache_dir=None))
    assert [each.origin for each in planned] == [FileOrigin.HERE, FileOrigin.HERE]
    assert {artifact.state for artifact in check_artifacts(spec, layout)} == {"good"}


def test_a_deleted_archive_comes_again_where_what_it_held_is_not_all_here(spec, fetch, tmp_path):
    fetch(spec)
    folder = tmp_path / "out" / "public" / "pose"
    (folder / "sub" / "net.zip").unlink()
    (folder / "sub" / "net.pb").write_bytes(b"other")
    assert ("unpack", "sub/net.zip") in done(fetch(spec))
    assert (folder / "sub" / "net.pb").read_bytes() == b"graph"
    assert (folder / "sub" / "net.zip").read_bytes() == ARCHIVE


def test_a_kill_between_unpacking_and_deleting_is_repaired_by_the_next_run(spec, fetch, tmp_path):
    fetch(spec)
    folder = tmp_path / "out" / "public" / "pose"
    # What a kill leaves: what was unpacked, without the list of it, and a folder that was worked in.
    (folder / "provenance.json").unlink()
    (folder / "sub" / ".posezoo-killed").mkdir()
    fetch(spec)
    assert not (folder / "sub" / ".posezoo-killed").exists()
    (folder / "sub" / "net.zip").unlink()
    assert done(fetch(spec)) == []
    assert {path.name for path in (folder / "sub").iterdir()} == {"code", "net.pb"}


def test_an_archive_that_was_deleted_is_wanted_again_when_another_one_is_declared(
    spec, fetch, tmp_path
):
    fetch(spec)
    (tmp_path / "out" / "public" / "pose" / "sub" / "net.zip").unlink()
    other = zipped({"net.pb": b"another graph", "code/util.py": SCRIPT})
    (tmp_path / "other.zip").write_bytes(other)
    file = declared("sub/net.zip", other, FileSource(tmp_path / "other.zip"))
    fetch(replace(spec, files=(file, spec.files[1])))
    assert (
        tmp_path / "out" / "public" / "pose" / "sub" / "net.pb"
    ).read_bytes() == b"another graph"


def test_another_recipe_is_carried_out_again_from_the_published_bytes(spec, fetch, tmp_path):
    fetch(spec)
    fetch(replace(spec, postprocessing=(RegexReplace("run.py", "net", "pose"),)))
    assert (
        tmp_path / "out" / "public" / "pose" / "run.py"
    ).read_text() == "import wget\npose = 1\n"


def test_a_member_of_an_archive_is_changed_later_and_as_it_was_published_after_that(
    spec, fetch, tmp_path
):
    unpack, *_, change = spec.postprocessing
    member = tmp_path / "out" / "public" / "pose" / "sub" / "code" / "util.py"
    for steps, content in (
        ((unpack,), SCRIPT),
        ((unpack, change), SCRIPT.replace(b"import", b"# import")),
        ((unpack,), SCRIPT),
    ):
        fetch(replace(spec, postprocessing=steps))
        assert member.read_bytes() == content
        assert done(fetch(replace(spec, postprocessing=steps))) == []


def test_a_failing_step_is_reported_with_its_reason(spec, fetch, tmp_path):
    told = []
    layout = ModelLayout(tmp_path / "out", tmp_path / "out")
    wrong = replace(spec, postprocessing=(RegexReplace("run.py", "nowhere", ""),))
    with pytest.raises(DownloadError, match=r"run\.py: 'nowhere' was found 0 times"):
        download_model(wrong, layout, DownloadOptions(cache_dir=None), listener=told.append)
    assert told[-1] == PostprocessingFinished(
        "pose", False, "run.py: 'nowhere' was found 0 times, expected at least 1"
    )
    assert not (layout.model_download_dir(wrong) / "run.py").exists()


def test_a_member_never_takes_the_place_of_a_promised_file(tmp_path, fetch):
    body = zipped({"run.py": b"evil"})
    (tmp_path / "net.zip").write_bytes(body)
    (tmp_path / "run.py").write_bytes(SCRIPT)
    files = [
        declared(name, content, FileSource(tmp_path / name))
        for name, content in (("net.zip", body), ("run.py", SCRIPT))
    ]
    spec = replace(model(*files), postprocessing=(UnpackArchive("net.zip", "zip"),))
    with pytest.raises(DownloadError, match=r"contains run\.py, which model\.yml declares"):
        fetch(spec)
    assert (tmp_path / "out" / "public" / "pose" / "run.py").read_bytes() == SCRIPT


def test_of_an_archive_whose_members_alone_have_checksums_no_others_are_unpacked(tmp_path, fetch):
    told = fetch(model_of_zip(tmp_path, {"net.pb": b"graph", "other.py": b"evil"}))
    warnings = [each.message for each in told if isinstance(each, WarningIssued)]
    assert warnings == [
        "pose: net.zip: not named in model.yml, and not unpacked, since it has no checksum: other.py"
    ]
    folder = tmp_path / "out" / "public" / "pose"
    assert (folder / "net.pb").read_bytes() == b"graph"
    assert not (folder / "other.py").exists()


@pytest.mark.parametrize("members", [("net.pb", "z/net.pb"), ("z/net.pb", "net.pb")])
def test_another_member_of_the_name_that_was_verified_is_refused(tmp_path, fetch, members):
    contents = {"net.pb": b"graph", "z/net.pb": b"evil"}
    spec = model_of_zip(tmp_path, {name: contents[name] for name in members})
    with pytest.raises(DownloadError, match=r"net\.zip: contains two files for net\.pb"):
        fetch(spec)
    assert not (tmp_path / "out" / "public" / "pose" / "net.pb").exists()


def model_of_zip(tmp_path, members):
    """A model of one archive, of which net.pb alone is pinned."""
    body = zipped(members)
    (tmp_path / "net.zip").write_bytes(body)
    pins = {"net.pb": Digest("sha1", hashlib.sha1(b"graph").hexdigest())}
    source = FileSource(tmp_path / "net.zip")
    file = SourceFile("net.zip", len(body), None, (source,), contains=pins)
    steps = (UnpackArchive("net.zip", "zip"),)
    return replace(model(file), checkpoint="net.pb", postprocessing=steps)
