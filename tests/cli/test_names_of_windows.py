"""A name that means something else on Windows is refused on every system, wherever a file's name comes from."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from fakes.command import posezoo
from fakes.zoo import declared_file, model_yml, write_model

REFUSED = [
    *("CON", "nul.txt", "sub/COM1.tar.gz", "Aux .bin", "LPT\u00b9", "conin$", "prn/net.bin"),
    *(
        "net.bin:stream",
        "C:net.bin",
        "sub\\net.bin",
        "net.",
        "net ",
        "folder./net.bin",
        "folder /net.bin",
    ),
]
#: They only look like the names above.
ACCEPTED = [
    "console.txt",
    "COM10",
    "com",
    "nul_1/auxiliary.bin",
    ".net.bin",
    "my net.bin",
    "LPT0.txt",
]
FORMATS = ["zip", "gztar"]


def packed(format: str, *names: str) -> bytes:
    stream = io.BytesIO()
    if format == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, b"weights")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 7
                tar.addfile(member, io.BytesIO(b"weights"))
    return stream.getvalue()


def download(root):
    return posezoo("download", "net", "-o", "out", "--models_dir", "models", cwd=root)


def declare_archive(root, format, *names):
    archive = root / "net.archive"
    archive.write_bytes(packed(format, *names))
    steps = [{"$type": "unpack_archive", "file": archive.name, "format": format}]
    write_model(
        root / "models", "net", model_yml(files=[declared_file(archive)], postprocessing=steps)
    )


def declare_files(root, *names):
    published = root / "published"
    published.write_bytes(b"weights")
    files = [declared_file(published, name=name) for name in names]
    write_model(root / "models", "net", model_yml(files=files))


def is_refused(root, name):
    ended = download(root)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said
    assert name.rpartition("/")[2].encode("ascii", "backslashreplace").decode()[:3] in said
    assert not [
        path
        for path in (root / "out").rglob("*")
        if path.is_file() and path.read_bytes() == b"weights"
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_yml_with_such_a_file_is_refused(tmp_path, name):
    declare_files(tmp_path, name)
    is_refused(tmp_path, name)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_with_such_a_member_is_refused(tmp_path, format, name):
    declare_archive(tmp_path, format, "net.bin", name)
    is_refused(tmp_path, name)


@pytest.mark.parametrize("name", ACCEPTED)
def test_names_that_only_look_like_them_are_downloaded(tmp_path, name):
    declare_files(tmp_path, name)
    ended = download(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out/public/net" / name).read_bytes() == b"weights"


@pytest.mark.parametrize("format", FORMATS)
def test_members_that_only_look_like_them_are_unpacked(tmp_path, format):
    declare_archive(tmp_path, format, *ACCEPTED)
    ended = download(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert all((tmp_path / "out/public/net" / name).is_file() for name in ACCEPTED)


@pytest.mark.parametrize("format", FORMATS)
def test_two_members_that_differ_in_case_only_are_refused(tmp_path, format):
    declare_archive(tmp_path, format, "sub/Net.bin", "Sub/net.bin")
    is_refused(tmp_path, "net.bin")


def test_two_files_that_differ_in_case_only_are_refused(tmp_path):
    declare_files(tmp_path, "Net.bin", "net.bin")
    is_refused(tmp_path, "net.bin")


@pytest.mark.parametrize("name", ["con", "Nul.1", "com1", "aux."])
def test_a_model_of_such_a_name_is_refused(tmp_path, name):
    ended = posezoo("new", name, "--models_dir", "models", cwd=tmp_path)
    assert ended.returncode in (1, 2) and "Traceback" not in ended.stderr
    assert not (tmp_path / "models").exists()
