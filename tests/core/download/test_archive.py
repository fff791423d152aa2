"""Archives of strangers: what they hold is unpacked, what they try is refused."""

import io
import json
import os
import stat
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile

import pytest

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.download import archive as archive_module
from posezoo.core.download.archive import unpack_archive
from posezoo.core.errors import ArchiveError, OutputError
from posezoo.core.files.verified_files import explain_wrong_members


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tar_of(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def data_of(path, *members, **changes):
    """A .data file of Emscripten's file_packager, and the end of the script that loads it."""
    content, files = b"", []
    for name, values in members:
        start, content = len(content), content + values
        files.append({"filename": name, "start": start, "end": len(content)})
    path.write_bytes(content)
    listed = {"files": files, "remote_package_size": len(content), **changes}
    script = path.with_suffix(".js")
    script.write_text(
        f"function loadPackage(metadata) {{}}\n    loadPackage({json.dumps(listed)});\n\n  }})();\n"
    )
    return path, script


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


MEMBERS = (("net/frozen.pb", b"graph" * 999), ("labels.txt", b""))


@pytest.mark.parametrize("format", ["zip", "tar", "gztar"])
def test_every_format_gives_the_files_that_were_put_in(tmp_path, format):
    if format == "zip":
        archive = zip_of(tmp_path / "x", *MEMBERS)
    else:
        archive = tar_of(tmp_path / "x", *MEMBERS, mode="w:gz" if format == "gztar" else "w")
    out = tmp_path / "out"
    assert unpack_archive(archive, format, lambda name: out / name) == [
        out / name for name, _ in MEMBERS
    ]
    assert {
        path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")
    } == dict(MEMBERS)


def test_folders_and_a_leading_dot_are_no_obstacle(tmp_path):
    folder = tarfile.TarInfo("./net")
    folder.type = tarfile.DIRTYPE
    archive = tar_of(tmp_path / "x.tgz", (folder, b""), ("./net/a.pb", b"a"))
    assert unpack_archive(archive, "gztar", lambda name: tmp_path / name) == [
        tmp_path / "net" / "a.pb"
    ]


def test_a_packed_data_file_is_cut_where_its_script_says(tmp_path):
    """Names begin at the root of the program's own file system; the real script has 8 KB of code before."""
    out = tmp_path / "out"
    data, script = data_of(
        tmp_path / "assets.data", *((f"/{name}", values) for name, values in MEMBERS)
    )
    unpacked = unpack_archive(data, "emscripten", lambda name: out / name, index=script)
    assert unpacked == [out / name for name, _ in MEMBERS]
    assert [path.read_bytes() for path in unpacked] == [values for _, values in MEMBERS]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"remote_package_size": 4}, "belongs to a file of 4 bytes, x.data has 5"),
        (
            {"files": [{"filename": "/net", "start": 0, "end": 6}]},
            "the member 'net' is not inside x.data",
        ),
        (
            {"files": [{"filename": "/net", "start": -1, "end": 3}]},
            "the member 'net' is not inside x.data",
        ),
        ({"files": [{"filename": "//net", "start": 0, "end": 2}]}, "the member '/net' is absolute"),
        (
            {"files": [{"filename": "/../net", "start": 0, "end": 2}]},
            "the member '../net' has an empty, .",
        ),
        ({"files": [{"filename": "/net", "start": 0, "end": 2}] * 2}, "contains net twice"),
        ({"files": [{}]}, "cannot be unpacked: 'filename'"),
        ({"files": 5}, "cannot be unpacked: "),
    ],
)
def test_a_script_that_does_not_fit_its_data_file_is_refused(tmp_path, changes, problem):
    data, script = data_of(tmp_path / "x.data", ("/net", b"graph"), **changes)
    with pytest.raises(ArchiveError) as failure:
        unpack_archive(data, "emscripten", lambda name: tmp_path / "out" / name, index=script)
    assert problem in failure.value.problem
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.data", "x.js"]


@pytest.mark.parametrize(
    "script", ["", "loadPackage(metadata)", "loadPackage({", "<html>", "\udcff loadPackage({}"]
)
def test_a_script_without_a_list_of_members_is_refused(tmp_path, script):
    data, index = data_of(tmp_path / "x.data", ("/net", b"graph"))
    index.write_bytes(script.encode(errors="surrogateescape"))
    with pytest.raises(
        ArchiveError, match=r"does not list the members of x\.data|cannot be unpacked"
    ):
        unpack_archive(data, "emscripten", tmp_path.joinpath, index=index)


def test_members_that_overlap_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SMALL_BYTES", 1 << 20)
    files = [{"filename": f"/{number}", "start": 0, "end": 1 << 20} for number in range(101)]
    data, script = data_of(tmp_path / "x.data", ("/net", bytes(1 << 20)), files=files)
    with pytest.raises(ArchiveError, match="contains more than 100 MiB"):
        unpack_archive(data, "emscripten", lambda name: tmp_path / "out" / name, index=script)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/tmp/evil",
        "a\\..\\evil",
        "C:evil",
        "nul",
        "a\u202eb",
        "x" * 300,
        ".posezoo/a.json",
    ],
)
@pytest.mark.parametrize("format", ["zip", "gztar"])
def test_an_unsafe_name_is_refused_and_nothing_is_written(tmp_path, name, format):
    members = (("net/a.pb", b"a"), (name, b"evil"))
    archive = (zip_of if format == "zip" else tar_of)(tmp_path / "x", *members)
    written = []
    with pytest.raises(ArchiveError, match=r"^x: the member "):
        unpack_archive(
            archive, format, lambda name: written.append(name) or tmp_path / "out" / name
        )
    assert written == ["net/a.pb"]
    assert list(tmp_path.iterdir()) == [archive]


def test_links_and_devices_are_refused(tmp_path):
    symlink = zipfile.ZipInfo("link")
    symlink.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match="'link' is a link or a device"):
        unpack_archive(
            zip_of(tmp_path / "a.zip", (symlink, b"/etc/passwd")), "zip", tmp_path.joinpath
        )
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        archive = tar_of(tmp_path / "a.tgz", (link("link", "../../etc/passwd", kind), b""))
        with pytest.raises(ArchiveError, match="'link' is a link or a device"):
            unpack_archive(archive, "gztar", tmp_path.joinpath)
    assert not os.path.lexists(tmp_path / "link")


def test_a_bomb_is_given_up_when_it_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_BYTES", 1 << 20)
    archive = zip_of(tmp_path / "x.zip", ("zeros", bytes(2 << 20)))
    with pytest.raises(ArchiveError, match="contains more than"):
        unpack_archive(archive, "zip", lambda name: tmp_path / "out" / name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("format", ["zip", "gztar"])
def test_a_ratio_of_more_than_100_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, format
):
    monkeypatch.setattr(archive_module, "SMALL_BYTES", 1 << 20)
    archive = (zip_of if format == "zip" else tar_of)(tmp_path / "x", ("zeros", bytes(8 << 20)))
    placed = []
    with pytest.raises(ArchiveError, match=r"contains more than 1 MiB, which is too much"):
        unpack_archive(archive, format, lambda name: placed.append(name) or tmp_path / name)
    assert placed == []
    monkeypatch.setattr(archive_module, "MAX_RATIO", 2000)
    assert unpack_archive(archive, format, tmp_path.joinpath)[0].stat().st_size == 8 << 20


def test_a_sparse_file_counts_with_the_size_that_it_declares(tmp_path):
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(3 << 30)
    subprocess.run(["tar", "-cSf", "x.tar", "sparse"], cwd=tmp_path, check=True)
    assert (tmp_path / "x.tar").stat().st_size < 1 << 20
    placed = []
    with pytest.raises(ArchiveError, match="contains more than 64 MiB"):
        unpack_archive(
            tmp_path / "x.tar", "tar", lambda name: placed.append(name) or tmp_path / "out" / name
        )
    assert placed == []
    assert not (tmp_path / "out").exists()


def test_a_tar_header_of_a_gigabyte_is_not_read(tmp_path):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    (tmp_path / "x.tar").write_bytes(header.tobuf() + bytes(4096))
    # From Python 3.14 on, tarfile reads it in small pieces.
    with pytest.raises(ArchiveError, match=r"header of 1073741824 bytes|empty header"):
        unpack_archive(tmp_path / "x.tar", "tar", tmp_path.joinpath)


def test_headers_alone_are_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SMALL_BYTES", 1 << 20)
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 99)
    comment = tarfile.TarInfo("pax")
    comment.type = tarfile.XHDTYPE
    text = b"%d comment=%s\n" % (1 << 19, b"x" * ((1 << 19) - len("524288 comment=\n")))
    archive = tar_of(
        tmp_path / "x.tgz",
        *(each for name in "abcdefghi" for each in ((comment, text), (name, b""))),
    )
    assert archive.stat().st_size < 1 << 17
    with pytest.raises(ArchiveError, match="beyond the limit for its size"):
        unpack_archive(archive, "gztar", lambda name: None)


@pytest.mark.parametrize("only", ["", "net.bin"])
def test_folders_are_counted_too(tmp_path, monkeypatch, only):
    folder = tarfile.TarInfo("folder")
    folder.type = tarfile.DIRTYPE
    archive = tar_of(tmp_path / "x.tgz", *[(folder, b"")] * 201, ("net.bin", b"a"))
    read = archive_module.open_members
    assert [name for name, *_ in read(archive, "gztar", only=only)] == ["net.bin"]
    monkeypatch.setattr(archive_module, "_MAX_HEADERS", 200)
    with pytest.raises(ArchiveError, match="contains more than 200 files and folders"):
        list(read(archive, "gztar", only=only))


def directory_of(path, count):
    """A zip file with so many folders of the same name, and nothing else."""
    numbers = (20, 20, *[0] * 6, 0, 2, *[0] * 6)
    entry = b"PK\1\2" + struct.pack("<6H3I5H2I", *numbers) + b"f/"
    size = len(entry) * count
    counted = min(count, 0xFFFF)
    path.write_bytes(
        entry * count + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, counted, counted, size, 0, 0)
    )
    return path


def test_the_directory_of_a_zip_is_not_read_if_it_needs_much_memory(tmp_path):
    archive = directory_of(tmp_path / "x.zip", 2_000_000)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match=r"its directory has 96000000 bytes, more than 16777216"):
        unpack_archive(archive, "zip", tmp_path.joinpath)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
    digests = {"net.bin": Digest("sha384", "0" * 96)}
    reason = explain_wrong_members(archive, SourceFile("x.zip", contains=digests))
    assert "its directory has 96000000 bytes" in reason


def test_a_zip_of_30_000_files_is_refused_after_20_000(tmp_path):
    archive = zip_of(tmp_path / "x.zip", *((f"f{number}", b"") for number in range(30_000)))
    with pytest.raises(ArchiveError, match=r"x\.zip: contains more than 20000 files"):
        unpack_archive(archive, "zip", tmp_path.joinpath)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_member_that_claims_to_lie_beyond_everything_is_not_looked_for(tmp_path):
    huge = tarfile.TarInfo("huge")
    huge.size = 1 << 60
    (tmp_path / "x.tar").write_bytes(huge.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(ArchiveError):
        unpack_archive(tmp_path / "x.tar", "tar", lambda name: tmp_path / "out" / name)
    assert not (tmp_path / "out" / "huge").exists()


@pytest.mark.parametrize("format", ["zip", "tar", "gztar"])
@pytest.mark.parametrize(
    "content", [b"", b"<html>", bytes(700), b"PK\x03\x04" + bytes(50), b"\x1f\x8b\x08" + bytes(50)]
)
def test_what_is_no_archive_is_one_clear_error_or_holds_nothing(tmp_path, format, content):
    (tmp_path / "x").write_bytes(content)
    try:
        assert unpack_archive(tmp_path / "x", format, tmp_path.joinpath) == []
    except ArchiveError as error:
        assert error.problem.startswith("x: cannot be unpacked: ")


def test_a_damaged_member_has_no_final_name(tmp_path):
    archive = zip_of(tmp_path / "x.zip", ("net.pb", os.urandom(5000)))
    content = bytearray(archive.read_bytes())
    content[2000] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack_archive(archive, "zip", lambda name: tmp_path / "out" / name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_disk_that_cannot_be_written_is_no_fault_of_the_archive(tmp_path):
    archive = zip_of(tmp_path / "x.zip", ("a/b", b"c"))
    (tmp_path / "a").write_bytes(b"a file where a folder is needed")
    with pytest.raises(OutputError, match="cannot be written"):
        unpack_archive(archive, "zip", tmp_path.joinpath)


@pytest.mark.parametrize("names", [("net", "net/a.pb"), ("Net/a.pb", "net"), ("a/b/c", "a/B")])
@pytest.mark.parametrize("format", ["zip", "gztar"])
def test_a_file_where_another_member_needs_a_folder_is_refused(tmp_path, names, format):
    archive = (zip_of if format == "zip" else tar_of)(
        tmp_path / "x", *((name, b"x") for name in names)
    )
    with pytest.raises(ArchiveError, match="twice"):
        unpack_archive(archive, format, lambda name: tmp_path / "out" / name)
    assert not (tmp_path / "out").exists()


def test_a_folder_in_the_way_of_one_member_keeps_all_of_them_back(tmp_path):
    archive = zip_of(tmp_path / "x.zip", ("a.pb", b"new"), ("b.pb", b"new"))
    (tmp_path / "b.pb").mkdir()
    (tmp_path / "a.pb").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"b\.pb: cannot be written: Is a directory"):
        unpack_archive(archive, "zip", tmp_path.joinpath)
    assert (tmp_path / "a.pb").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pb", "b.pb", "x.zip"]


def test_members_get_the_users_mode_whatever_the_archive_says(tmp_path):
    member = tarfile.TarInfo("tool")
    member.mode = 0o6777
    unpack_archive(tar_of(tmp_path / "x.tgz", (member, b"x")), "gztar", tmp_path.joinpath)
    assert stat.S_IMODE((tmp_path / "tool").stat().st_mode) & 0o7111 == 0


def test_a_link_in_a_members_place_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "net.pb").symlink_to(tmp_path / "elsewhere")
    unpack_archive(zip_of(tmp_path / "x.zip", ("net.pb", b"ours")), "zip", tmp_path.joinpath)
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert (tmp_path / "net.pb").read_bytes() == b"ours"
    assert not (tmp_path / "net.pb").is_symlink()
