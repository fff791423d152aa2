import numpy as np
import pytest

from fakes.checkpoints import entry, row, safetensors
from fakes.when_used import needs
from networks.checkpoints.test_hostile import refusal
from posezoo.core.errors import CheckpointError
from posezoo.networks import checkpoints


def read(tmp_path, content):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    return checkpoints.read_checkpoint(path)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 1), (0, 3)])
def test_a_file_of_the_safetensors_library_is_read_value_by_value(tmp_path, shape):
    save_file = pytest.importorskip("safetensors.numpy", reason="needs safetensors").save_file
    rng = np.random.default_rng(len(shape))
    kinds = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
    written = {f"net.{kind}": np.asarray(rng.integers(0, 2, shape)).astype(kind) for kind in kinds}
    save_file(written, tmp_path / "net.safetensors", metadata={"made by": "a test"})
    found = checkpoints.read_checkpoint(tmp_path / "net.safetensors")
    assert set(found) == set(written)
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_bfloat16_becomes_the_float32_that_pytorch_makes_of_it(tmp_path):
    torch = needs("torch")
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    finite = every[every.isfinite()]
    save_file({"half": finite}, tmp_path / "net.safetensors")
    found = checkpoints.read_checkpoint(tmp_path / "net.safetensors")["half"]
    np.testing.assert_array_equal(found, finite.float().numpy(), strict=True)


@pytest.mark.parametrize("length", [0x112, 0x0280, 0x0580])
def test_a_header_as_long_as_another_format_s_magic_is_no_other_format(tmp_path, length):
    header = safetensors({"a": entry("F32", [1], 0, 4)})[8:].ljust(length)
    assert list(read(tmp_path, safetensors(header, row(1)))) == ["a"]


def test_cut_anywhere_it_is_refused(tmp_path):
    content = safetensors({"a": entry("F32", [2], 0, 8), "b": entry("I8", [3], 8, 11)}, bytes(11))
    for kept in range(1, len(content)):
        with pytest.raises(CheckpointError, match=r"net\.safetensors: "):
            read(tmp_path, content[:kept])


ONE = entry("F32", [2], 0, 8)
LYING = {
    "the same bytes twice": (safetensors({"a": ONE, "b": ONE}, bytes(8)), "invalid offset"),
    "bytes behind the end": (safetensors({"a": ONE}, bytes(9)), "file not fully covered"),
    "a size of a million digits": (safetensors(b'{"a":' + b"9" * 10**6 + b"}"), "out of range"),
    "a thousand dimensions": (
        safetensors({"a": entry("F32", [1] * 1000, 0, 4)}, bytes(4)),
        "1000 dimensions",
    ),
    "an unknown kind": (
        safetensors({"a": entry("F8_E4M3", [8], 0, 8)}, bytes(8)),
        "an unknown dtype: 'F8_E4M3'",
    ),
    "a header of 2^60 bytes": (
        safetensors({"a": ONE}, bytes(8), length=1 << 60),
        "1152921504606846976 bytes",
    ),
    "a header that is not UTF-8": (safetensors(b'{"\xff":0}'), "the header is not UTF-8"),
    "a name that moves the cursor": (
        safetensors({"\x1b[2J": entry("F32", [1], 4, 8)}, bytes(8)),
        "\\x1b[2J",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_a_wrong_header_is_refused_with_the_reason(tmp_path, kind):
    content, problem = LYING[kind]
    assert problem in refusal(tmp_path, content, "net.safetensors")
