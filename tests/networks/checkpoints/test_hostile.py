"""Files that were made to harm: nothing of them runs, and refusing them costs next to nothing."""

import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile

import pytest

from fakes.checkpoints import (
    LEGACY_OPENING,
    Called,
    Named,
    Reference,
    entry,
    params_head,
    params_of,
    program,
    row,
    safetensors,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)
from fakes.command import printed, run_process
from fakes.waiting import HANG_S
from posezoo.core.errors import CheckpointError
from posezoo.networks import checkpoints


def refusal(tmp_path, content, name="net.pth"):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as failure:
        checkpoints.read_checkpoint(path)
    problem = failure.value.problem
    assert problem.startswith(str(path)) and problem.isprintable() and len(problem) < 500
    return problem.removeprefix(f"{path}: ")


class Command:
    """Runs when it is unpickled."""

    def __init__(self, folder):
        self.line = f'echo ran > "{folder / "ran"}"'

    def __reduce__(self):
        return os.system, (self.line,)


FORMS = {
    "zip": lambda evil: torch_zip(pickle.dumps({"state_dict": {"a": evil}}, 2)),
    "legacy": lambda evil: torch_legacy(pickle.dumps({"a": evil}, 2)),
    "before the checkpoint": lambda evil: pickle.dumps(evil, 2) + LEGACY_OPENING,
    "a bare pickle": lambda evil: pickle.dumps(evil, 4),
    "behind the checkpoint": lambda evil: (
        LEGACY_OPENING + program({"a": 1})[:-1] + pickle.dumps(evil, 2)[2:]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_pickle_that_runs_a_command_runs_nothing(tmp_path, form):
    content = FORMS[form](Command(tmp_path))
    said = refusal(tmp_path, content)
    assert "refers to 'posix.system'" in said or "refers to 'nt.system'" in said
    assert not (tmp_path / "ran").exists()


def of_kind(of, kind):
    return Called("torch._utils._rebuild_tensor_v3", of, 0, (1,), (1,), False, {}, Named(kind))


HERE = storage("0", 2)
BYTES = storage("0", 8, "torch.storage.UntypedStorage")
PROGRAMS = {
    "a class by what it inherits": (
        Called("builtins.getattr", "a", "__class__"),
        "'builtins.getattr'",
    ),
    "an import": (Called("builtins.__import__", "os"), "'builtins.__import__'"),
    "a harmless function": (Called("math.sqrt", 4), "'math.sqrt'"),
    "a name with a newline in it": (Called("a\x1b[2J.b"), r"'a\\x1b[2J.b'"),
    "a call of what is called": (Called("torch.Size", ()), "no named tensors"),
    "memory": (Called("builtins.bytearray", 1 << 40), "'builtins.bytearray'"),
    "an empty tensor of terabytes": (Called("torch.FloatTensor", 1 << 40), "'torch.FloatTensor'"),
    "too few arguments": (
        {"a": Called("torch._utils._rebuild_tensor_v2", HERE)},
        "pickle is damaged",
    ),
    "a tensor of no storage": ({"a": tensor(3, (2,), (1,))}, "pickle is damaged"),
    "a storage of another kind": (
        {"a": tensor(storage("0", 1, "torch.QInt8Storage"), (1,), (1,))},
        "'torch.QInt8Storage'",
    ),
    "a reference to code": (
        Reference("module", "x", "y.py", "import os"),
        "refers to something that is no",
    ),
    "a reference to a path": (
        {"a": tensor(storage("../../etc/passwd", 2), (2,), (1,))},
        "storage '../../etc/passwd' is not in the file",
    ),
    "a storage that is not there": (
        {"a": tensor(storage("9", 2), (2,), (1,))},
        "'9' is not in the file",
    ),
    "a storage of 2^60": (
        {"a": tensor(storage("0", 1 << 60), (2,), (1,))},
        "declared with 4611686018427387904",
    ),
    "a storage of 2^70": (
        {"a": tensor(storage("0", 1 << 70), (2,), (1,))},
        "is 1180591620717411303424",
    ),
    "a storage of minus two": ({"a": tensor(storage("0", -2), (2,), (1,))}, "storage '0' is -2"),
    "a storage of two kinds": (
        {
            "a": tensor(HERE, (2,), (1,)),
            "b": tensor(storage("0", 2, "torch.IntStorage"), (2,), (1,)),
        },
        "two types or sizes",
    ),
    "a storage read as two kinds": (
        {"a": of_kind(BYTES, "torch.uint16"), "b": of_kind(BYTES, "torch.uint32")},
        "reads storage '0' with another type than an earlier tensor",
    ),
    "bytes of no kind": ({"a": tensor(BYTES, (2,), (1,))}, "pickle is damaged"),
    "a shape beyond the storage": (
        {"a": tensor(HERE, (3,), (1,))},
        "extends beyond its storage, which has 2",
    ),
    "an offset beyond": ({"a": tensor(HERE, (1,), (1,), 2)}, "extends beyond its storage"),
    "an offset before": ({"a": tensor(HERE, (1,), (1,), -1)}, "the offset of tensor 'a' is -1"),
    "strides beyond": ({"a": tensor(HERE, (2,), (1 << 61,))}, "extends beyond its storage"),
    "strides before": ({"a": tensor(HERE, (2,), (-1,))}, "a stride of tensor 'a' is -1"),
    "a shape of 2^60": ({"a": tensor(HERE, (1 << 60,), (0,))}, "shape 1152921504606846976"),
    "a shape of a billion": ({"a": tensor(HERE, (1 << 30,), (0,))}, "extends beyond its storage"),
    "a shape beside nothing": (
        {"a": tensor(HERE, (0, 1 << 62), (0, 0))},
        "shape 0x4611686018427387904",
    ),
    "a shape of text": ({"a": tensor(HERE, ("2",), (1,))}, "a size of tensor 'a' is '2'"),
    "a shape that is a list": ({"a": tensor(HERE, [2], (1,))}, "has no shape"),  # type: ignore[arg-type]
    "a thousand dimensions": ({"a": tensor(HERE, (1,) * 1000, (1,) * 1000)}, "1000 dimensions"),
    "fewer strides than sizes": (
        {"a": tensor(HERE, (1, 2), (1,))},
        "a different number of strides",
    ),
}


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_pickle_with_wrong_sizes_or_further_names_is_refused(tmp_path, kind, form):
    value, problem = PROGRAMS[kind]
    code = program(value)
    if form == "legacy":
        code = code.replace(b"tQ", b"NtQ")  # a reference has a sixth part there
    said = refusal(tmp_path, (torch_zip if form == "zip" else torch_legacy)(code, {"0": row(1, 2)}))
    if form == "legacy":  # there the storages' own counts and keys are read before any tensor is
        problem = {
            "a storage of 2^60": "has 2 numbers, but its pickle declares 1152921504606846976",
            "a storage read as two kinds": "has 2 numbers, but its pickle declares 8",
            "a reference to a path": "which its pickle does not name",
            "a storage that is not there": "which its pickle does not name",
        }.get(kind, problem)
    assert problem.replace(r"\\", "\\") in said


GOOD = program({"a": tensor(storage("0", 2, "torch.FloatStorage", None), (2,), (1,))})
TABLE = program({"a": tensor(HERE, (2,), (1,))})
READ = {
    "a zip": TABLE,
    "a storage saved on a GPU": program(
        {"a": tensor(storage("0", 2, "torch.cuda.FloatStorage"), (2,), (1,))}
    ),
    # There OrderedDict is called with a list of pairs, and text is bytes.
    "a checkpoint of Python 2": program(
        {"state_dict": Called("collections.OrderedDict", [["module.a", tensor(HERE, (2,), (1,))]])}
    ).replace(b"X\x08\0\0\0module.a", b"U\x08module.a"),
    "tensors under two keys": (
        b"\x80\x02}(X\x01\0\0\0b" + TABLE[2:-1] + b"q\xffX\x01\0\0\0ch\xffu."
    ),
}


@pytest.mark.parametrize("kind", [*READ, "legacy"])
def test_the_writer_of_these_pickles_also_writes_valid_ones(tmp_path, kind):
    write, code = (torch_legacy, GOOD) if kind == "legacy" else (torch_zip, READ[kind])
    (tmp_path / "net.pth").write_bytes(write(code, {"0": row(1, 2)}))
    assert checkpoints.read_checkpoint(tmp_path / "net.pth")["a"].tolist() == [1, 2]


def test_a_view_of_a_storage_as_old_pytorch_wrote_it_is_refused(tmp_path):
    view = storage("0", 2, "torch.FloatStorage", ("1", 0, 1))
    content = torch_legacy(program({"a": tensor(view, (1,), (1,))}), {"0": row(1, 2)})
    assert "PyTorch before 0.4" in refusal(tmp_path, content)


CODES = {
    "nothing on the stack": (b"\x80\x02R.", "pickle is damaged"),
    "a mark that never was": (b"\x80\x02t.", "pickle is damaged"),
    "a memo that never was": (b"\x80\x02h\x05.", "pickle is damaged"),
    "a place of 2^61 in the memo": (b"\x80\x02}p2305843009213693951\n.", "pickle is damaged"),
    "a place before the memo": (b"\x80\x02}p-1\n.", "pickle is damaged"),
    "a call of a number": (b"\x80\x02K\x01)R.", "pickle is damaged"),
    "items for a number": (b"\x80\x02K\x01K\x02K\x03s.", "pickle is damaged"),
    "items for an object": (b"\x80\x02ctorch\nSize\n(K\x02K\x03u.", "pickle is damaged"),
    "a key without a value": (b"\x80\x02}(K\x02u.", "pickle is damaged"),
    "no end": (b"\x80\x02}", "pickle is damaged"),
    "two values": (b"\x80\x02}}.", "does not end with a single value"),
    "an instance": (b"\x80\x02(cos\nsystem\no.", "'os.system'"),
    "an instance of old": (b"\x80\x02(ios\nsystem\n.", "the opcode INST"),
    "an extension's number": (b"\x80\x02\x82\x01.", "the opcode EXT1"),
    "a name from the stack": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
    "a name that is no text": (b"\x80\x04K\x01K\x02\x93.", "pickle is damaged"),
    "text of 4 GB": (b"\x80\x02X\xff\xff\xff\xffabc.", "pickle is damaged"),
    "text of 2^63": (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "pickle is damaged"),
    "text that is not UTF-8": (b"\x80\x02X\x02\0\0\0\xff\xfe.", "pickle is damaged"),
    "an unknown step": (b"\x80\x02\xff.", "pickle is damaged"),
    "nothing": (b"", "pickle is damaged"),
    "more behind it": (b"\x80\x02N.N.", "no named tensors"),
    "a table in itself": (
        b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s.",
        "no named tensors, but 'state_dict'",
    ),
}


@pytest.mark.parametrize("kind", CODES)
def test_a_broken_pickle_is_refused(tmp_path, kind):
    code, problem = CODES[kind]
    assert problem in refusal(tmp_path, torch_zip(code))


def test_bytes_behind_a_checkpoint_are_refused(tmp_path):
    code = program({"a": tensor(HERE, (2,), (1,))})
    legacy = code.replace(b"tQ", b"NtQ")
    assert "without its directory" in refusal(tmp_path, torch_zip(code, {"0": row(1, 2)}) + b"\0")
    assert "1 bytes follow its pickle" in refusal(
        tmp_path, torch_zip(code + b"\0", {"0": row(1, 2)})
    )
    assert "1 more bytes follow" in refusal(
        tmp_path, torch_legacy(legacy, {"0": row(1, 2)}) + b"\0"
    )


ONE_STORAGE = struct.pack("<q", 2) + row(1, 2)
LEGACIES = {
    "a later version": (torch_legacy(GOOD).replace(b"M\xe9\x03", b"M\xea\x03"), "another version"),
    "the other byte order": (torch_legacy(GOOD).replace(b"\x88s.", b"\x89s."), "byte order"),
    "a storage twice": (
        LEGACY_OPENING + GOOD + pickle.dumps(["0", "0"], 2) + ONE_STORAGE * 2,
        "contains storage '0' twice",
    ),
    "no order of storages": (LEGACY_OPENING + GOOD + b"\x80\x02N.", "the order of its storages"),
    "no storages": (torch_legacy(GOOD), "its storage '0' is not in the file"),
    "storages of less than nothing": (
        LEGACY_OPENING + GOOD + pickle.dumps(["0"], 2) + struct.pack("<q", -2) + row(1, 2),
        "has -2 numbers, but its pickle declares 2",
    ),
}


@pytest.mark.parametrize("kind", LEGACIES)
def test_a_legacy_checkpoint_that_contradicts_itself_is_refused(tmp_path, kind):
    content, problem = LEGACIES[kind]
    assert problem in refusal(tmp_path, content)


def zip_of(*names, content=b"x", compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def with_directory(content, at, form, *values):
    """The archive with other numbers in the first entry of its directory."""
    changed = bytearray(content)
    struct.pack_into(form, changed, changed.index(b"PK\x01\x02") + at, *values)
    return bytes(changed)


def with_long_directory(size=5 << 30):
    """Its end says that the directory is short; what precedes the end, that it has 5 GB."""
    content = zip_of("a/data.pkl")
    record = b"PK\x06\x06" + bytes(36) + struct.pack("<QQ", size, 0)
    return content[:-22] + record + b"PK\x06\x07" + bytes(16) + content[-22:]


def overlapping():
    """Both entries' bytes are the second's heading and content, since the stated size of the first one is too large."""
    return with_directory(zip_of("a/data.pkl", "a/data/0", content=bytes(100)), 20, "<LL", 150, 150)


ZIPS = {
    "a bomb": (
        zip_of("a/data.pkl", content=bytes(10**7), compression=zipfile.ZIP_DEFLATED),
        "is compressed",
    ),
    "a way out": (
        zip_of("a/../../data.pkl"),
        "entry 'a/../../data.pkl', which torch.save does not write",
    ),
    "the root": (zip_of("/data.pkl"), "entry '/data.pkl'"),
    "another system's way out": (zip_of("a\\..\\data.pkl"), "which torch.save does not write"),
    "no folder": (zip_of("data.pkl"), "entry 'data.pkl'"),
    "two folders": (zip_of("a/data.pkl", "b/data/0"), "several top folders"),
    "a name twice": (
        zip_of("a/data.pkl", "a/data/0").replace(b"a/data/0", b"a/data.pkl"[:8]),
        "twice|damaged",
    ),
    "something else": (zip_of("net-0000.params"), "unpack it|does not write"),
    "a folder of something else": (zip_of("net/net-0000.params"), "was not written by torch.save"),
    "overlapping entries": (overlapping(), "entries overlap"),
    "the other byte order": (
        zip_of("a/data.pkl", "a/byteorder", content=b"big"),
        "other byte order",
    ),
    "only a beginning": (b"PK\x03\x04", "the end of the zip archive"),
    "a name that the heading does not have": (
        zip_of("a/data.pkl").replace(b"a/data.pkl", b"b/data.pkl", 1),
        "not at the position that the directory states",
    ),
    "an entry that is none": (
        b"PK\x03\x04".join(zip_of("a/x", "a/data.pkl").split(b"PK\x03\x04", 2)[:2])
        + b"PK\x03\x05"
        + zip_of("a/x", "a/data.pkl").split(b"PK\x03\x04", 2)[2],
        "not at the position that the directory states",
    ),
    "two sizes": (with_directory(zip_of("a/data.pkl"), 20, "<L", 0), "has two different sizes"),
    "an entry beyond the file": (
        with_directory(zip_of("a/data.pkl"), 20, "<LL", 999, 999),
        "beyond the file",
    ),
    "a heading beyond the file": (
        with_directory(zip_of("a/data.pkl"), 42, "<L", 999),
        "beyond the file",
    ),
    "a password": (with_directory(zip_of("a/data.pkl"), 8, "<H", 1), "is compressed or encrypted"),
    "a pickle of 34 MB": (
        lambda: zip_of("a/data.pkl", content=bytes(34_000_000)),
        "its pickle has 34000000 bytes",
    ),
    "a directory of 5 GB": (with_long_directory(), "a directory of 5368709120 bytes"),
    "a directory of 4 GB": (
        zip_of("a/data.pkl")[:-10] + struct.pack("<LLH", 0xFFFFFFF0, 0, 0),
        "a directory of 4294967280 bytes",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ZIPS)
def test_a_zip_that_torch_save_does_not_write_is_refused(tmp_path, kind):
    content, problems = ZIPS[kind]
    said = refusal(tmp_path, content() if callable(content) else content)
    assert any(problem in said for problem in problems.split("|")), said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_is_refused(tmp_path):
    assert "contains 'a/data.pkl' twice" in refusal(tmp_path, zip_of("a/data.pkl", "a/data.pkl"))


def tar_of(*names):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


OTHERS = {
    "an empty file": (b"", "is empty"),
    "a web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "a web page after blanks": (b"\n\n  <html>", "a web page"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a Git LFS pointer",
    ),
    "a gzip archive": (b"\x1f\x8b\x08" + bytes(30), "a gzip archive"),
    "PyTorch 0.1's tar": (tar_of("sys_info", "pickle", "tensors", "storages"), "a tar archive"),
    "Keras's weights": (b"\x89HDF\r\n\x1a\n" + bytes(30), "an HDF5 file"),
    "one byte": (b"\x80", "not a checkpoint in a known format"),
    "anything": (b"weights", "not a checkpoint in a known format"),
    "zeros": (bytes(1000), "not a checkpoint in a known format"),
    "a pickle of something else": (
        pickle.dumps([1, 2], 2),
        "a pickle, but was not written by torch.save",
    ),
}


@pytest.mark.parametrize("name", ["net.pth", "net.params", "net.safetensors"])
@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_of_file_is_named_whatever_its_suffix(tmp_path, kind, name):
    content, problem = OTHERS[kind]
    assert problem in refusal(tmp_path, content, name)


def test_the_name_of_a_file_does_not_matter(tmp_path):
    (tmp_path / "net.pth").write_bytes(safetensors({"a": entry("F32", [1], 0, 4)}, row(1)))
    assert checkpoints.read_checkpoint(tmp_path / "net.pth")["a"].tolist() == [1]


def test_a_path_that_is_not_a_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"(?m)is not a file$"):
        checkpoints.read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"(?m)does not exist$"):
        checkpoints.read_checkpoint(tmp_path / "net.pth")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"(?m)is not a file$"):
        checkpoints.read_checkpoint(tmp_path / "net.pth")


def test_a_file_without_read_permission_is_reported(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        path = tmp_path / ("x" * 300)  # root may read everything; no system has names this long
    with pytest.raises(CheckpointError, match=r"does not exist|cannot be read: "):
        checkpoints.read_checkpoint(path)


SHARED = storage("0", 1 << 20, "torch.BFloat16Storage")
NESTED = b")" + b"q\x00h\x00\x86" * 60  # a pair of the pair before, and so on
BOMBS = {
    "empty lists": lambda: torch_zip(b"\x80\x02(" + b"]" * 4_000_000),
    "empty tables, legacy": lambda: torch_legacy(b"\x80\x02(" + b"}" * 4_000_000),
    "a key that takes for ever to hash": lambda: torch_zip(b"\x80\x02}" + NESTED + b"Ns."),
    "a name that takes for ever to write": lambda: torch_zip(b"\x80\x04" + NESTED + b"N\x93."),
    "a value that takes for ever to write": lambda: torch_zip(
        b"\x80\x02}X\x0a\0\0\0state_dict" + NESTED + b"s."
    ),
    "keys that hash alike": lambda: torch_zip(
        b"\x80\x02}("
        + b"".join(
            b"\x8a\x0b" + (n * (2**61 - 1)).to_bytes(11, "little") + b"N" for n in range(100_000)
        )
        + b"u."
    ),
    "memo places that hash alike": lambda: torch_zip(
        b"\x80\x02}" + b"".join(b"p%d\n" % (n * (2**61 - 1)) for n in range(400_000)) + b"."
    ),
    "a long list below many keys": lambda: torch_zip(
        b"\x80\x02}]("
        + b"N" * 200_000
        + b"eq\x000"
        + b"("
        + b"".join(b"X\x06\0\0\0%06dh\x00" % number for number in range(150_000))
        + b"u."
    ),
    "a memo of 2^32": lambda: torch_zip(b"\x80\x02}r\xff\xff\xff\xff."),
    "a long table made into many": lambda: torch_zip(
        b"\x80\x02ccollections\nOrderedDict\nq\x00]("
        + b"".join(b"(X\x05\0\0\0%05dNt" % number for number in range(40_000))
        + b"eq\x01"
        + b"h\x00h\x01\x85R" * 80_000
        + b"."
    ),
    "a long text": lambda: torch_zip(
        b"\x80\x02X" + struct.pack("<I", 4_000_000) + b"a" * 4_000_000 + b"."
    ),
    "a long number": lambda: torch_zip(
        program({"a": 1})[:-2]
        + b"\x8b"
        + struct.pack("<I", 4_000_000)
        + b"\x7f" * 4_000_000
        + b"s."
    ),
    "a pickle of 30 MB": lambda: torch_zip(bytes(30_000_000)),
    "a zip bomb": lambda: zip_of(
        "a/data.pkl", content=bytes(50_000_000), compression=zipfile.ZIP_DEFLATED
    ),
    "many entries": lambda: zip_of(*(f"a/{number}" for number in range(20_000))),
    "one storage as many tensors": lambda: torch_zip(
        program({f"t{number}": tensor(SHARED, (1 << 20,), (1,)) for number in range(5000)}),
        {"0": bytes(2 << 20)},
    ),
    "arrays of nothing": lambda: params_of([params_head((), ndim=0)] * 65536, []),
    "a billion arrays": lambda: params_of([], [], count=10**9),
    "sizes of 2^60": lambda: params_of([params_head((1 << 60,) * 32)], ["a"]),
    "JSON of empty lists": lambda: safetensors(b'{"a":[' + b"[]," * 1_390_000 + b"[]]}"),
    "JSON of empty tables": lambda: safetensors(b'{"a":[' + b"{}," * 1_390_000 + b"{}]}"),
    "JSON that nests": lambda: safetensors(b'{"a":' * 800_000),
    "JSON of a long number": lambda: safetensors(b'{"a":' + b"9" * 4_000_000 + b"}"),
    "JSON of many sizes": lambda: safetensors(
        json.dumps({"a": entry("F32", [1] * 1_300_000, 0, 4)}).encode(), bytes(4)
    ),
    "a header of 2^60": lambda: safetensors({}, length=1 << 60),
}

# The one that may be read: all its tensors are views of 2 MiB.
HARMLESS = {"one storage as many tensors"}

MOST_MIB = 400  # generous: only a file that is believed or unpacked takes this

CHILD = """
import json, re, sys
from pathlib import Path
from posezoo.networks import checkpoints
from posezoo.core.errors import CheckpointError

def peak():  # MiB; what getrusage gives is at least the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

before = peak()
for path in map(Path, sys.argv[1:]):
    try:
        checkpoints.read_checkpoint(path)
        said = ""
    except CheckpointError as error:
        said = error.problem
    assert "torch" not in sys.modules
    print(json.dumps([path.name, peak() - before, said]))
"""


def steps(count):
    """A pickle that takes so many steps."""
    return b"}" + b"N0" * ((count - 2) // 2) + b"N" * (count % 2) + b"."


#: What makes a file that declares so much, how much is read, and how more is refused.
LIMITS = {
    "a zip directory": (with_long_directory, 4 << 20, "directory of 4194305 bytes"),
    "a pickle": (lambda size: torch_zip(bytes(size)), 32 << 20, "pickle has 33554433 bytes"),
    "steps": (lambda count: torch_zip(steps(count)), 1 << 19, "takes more than 524288 steps"),
    "arrays": (lambda count: params_of([], [], count=count), 1 << 16, "declares 65537 arrays"),
    "dimensions": (
        lambda count: params_of([params_head((1,) * count) + bytes(16)], ["a"]),
        32,
        "declares 33 dimensions",
    ),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_file_is_refused_for_its_size_only_beyond_the_limit(tmp_path, kind):
    make, limit, problem = LIMITS[kind]
    assert problem in refusal(tmp_path, make(limit + 1))
    (tmp_path / "net.pth").write_bytes(make(limit))
    try:
        checkpoints.read_checkpoint(tmp_path / "net.pth")
    except CheckpointError as error:  # most of these are no checkpoints, but are read so far
        assert problem.replace(f"{limit + 1}", f"{limit}") not in error.problem


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_a_bomb_is_refused_in_one_line_and_little_memory(tmp_path):
    for kind, make in BOMBS.items():
        (tmp_path / kind).write_bytes(make())
    output = printed(
        run_process(
            [sys.executable, "-c", CHILD, *(str(tmp_path / kind) for kind in BOMBS)],
            timeout=2 * HANG_S,  # for all of them
        )
    )
    metrics = [json.loads(line) for line in output.splitlines()]
    assert [name for name, *_ in metrics] == list(BOMBS)
    for name, mib, said in metrics:
        assert mib < MOST_MIB and len(said) < 500, (name, mib, said)
        assert bool(said) is (name not in HARMLESS), name
