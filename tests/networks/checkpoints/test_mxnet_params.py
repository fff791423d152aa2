import importlib.util
import json

import numpy as np
import pytest

from fakes.checkpoints import OLDEST, V1, V2, V3, params, params_array, params_head, params_of
from networks.checkpoints.test_hostile import refusal
from posezoo.core.errors import CheckpointError
from posezoo.networks import checkpoints

FORMS = {"V1": V1, "V2": V2, "V3": V3, "oldest": OLDEST}
WEIGHTS = {
    "features.0.weight": np.arange(24, dtype="f4").reshape(2, 3, 4) / 7,
    "features.0.bias": np.array([1.5, -2.5], "f4"),
}


def read(tmp_path, content):
    path = tmp_path / "net.params"
    path.write_bytes(content)
    return checkpoints.read_checkpoint(path)


def same(found, requested):
    assert list(found) == list(requested)
    for name, array in requested.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_version_of_the_format_is_read_back(tmp_path, form):
    rng = np.random.default_rng(3)
    arrays = {
        f"{dtype}.{shape}": rng.integers(-100, 100, shape).astype("i1").astype(dtype)
        for dtype in ("f4", "f8", "f2", "u1", "i4", "i1", "i8")
        for shape in ((1,), (3,), (2, 1, 5), (4, 3, 2, 2), (2, 0, 3))
    }
    same(read(tmp_path, params(arrays, form=form)), arrays)


@pytest.mark.parametrize(("form", "ndim"), [(V1, 0), (V2, 0), (V3, -1), (OLDEST, 0)])
def test_an_array_that_was_never_filled_ends_after_its_shape(tmp_path, form, ndim):
    content = params_of(
        [params_head((), form=form, ndim=ndim), params_array(WEIGHTS["features.0.bias"])], "ab"
    )
    same(read(tmp_path, content), {"a": np.zeros(0, "f4"), "b": WEIGHTS["features.0.bias"]})


def test_bfloat16_becomes_float32_and_a_byte_a_bool(tmp_path):
    halves = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], "<u2")  # 1, -2, infinity, the smallest
    arrays = [params_array(halves, flag=12), params_array(np.array([0, 1, 2], "u1"), flag=7)]
    found = read(tmp_path, params_of(arrays, ["half", "truth"]))
    np.testing.assert_array_equal(
        found["half"], np.array([1, -2, np.inf, 2.0**-133], "f4"), strict=True
    )
    np.testing.assert_array_equal(found["truth"], [False, True, True], strict=True)


def test_a_file_of_mxnet_is_read_value_by_value(shared):
    model, facts = "mobile_pose_mobilenetv3_small", shared / "facts"
    spec = importlib.util.spec_from_file_location("fill", facts / "reference" / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    keys = json.loads((facts / "keys" / f"gluon_{model}.json").read_text("utf-8"))["keys"]
    requested = fill.state_dict(
        {key: shape for key, shape, _ in keys}, facts / "reference" / "calib" / f"gluon_{model}.npz"
    )
    same(
        checkpoints.read_checkpoint(shared / "data" / "checkpoints" / f"{model}.params"), requested
    )


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_cut_anywhere_it_is_refused(tmp_path, form):
    content = params(WEIGHTS, form=form)
    for kept in range(1, len(content)):
        with pytest.raises(CheckpointError, match=r"net\.params: "):
            read(tmp_path, content[:kept])


BIAS = params_array(WEIGHTS["features.0.bias"])
LYING = {
    "more arrays than any network has": (
        params_of([BIAS], "a", count=10**9),
        "declares 1000000000",
    ),
    "more arrays than it has": (params_of([BIAS], "a", count=2), "array 2 of 2"),
    "a size beyond the file": (
        params_of([params_head((1 << 40,)) + bytes(20)], "a"),
        "beyond the file",
    ),
    "a size of 2^60": (
        params_of([params_head((1 << 60,)) + bytes(20)], "a"),
        "shape 1152921504606846976",
    ),
    "sizes that overflow": (
        params_of([params_head((1 << 40,) * 3) + bytes(20)], "a"),
        "shape 1099511627776x",
    ),
    "a size beside nothing": (
        params_of([params_head((0, 1 << 62)) + bytes(12)], "a"),
        "shape 0x46116860184",
    ),
    "a negative size": (
        params_of([params_head((-1, 4)) + bytes(20)], "a"),
        "a size of array 1 of 1 is -1",
    ),
    "2^31 - 1 dimensions": (
        params_of([params_head((), ndim=2**31 - 1)], "a"),
        "2147483647 dimensions",
    ),
    "2^32 - 1 dimensions": (
        params_of([params_head((), form=V1, ndim=2**32 - 1)], "a"),
        "4294967295 dim",
    ),
    "minus two dimensions": (params_of([params_head((), form=V3, ndim=-2)], "a"), "-2 dimensions"),
    "an unknown kind": (
        params_of([params_array(WEIGHTS["features.0.bias"], flag=99)], "a"),
        "type: 99",
    ),
    "sparse rows": (params_of([params_head((2,), storage=1)], "a"), "stored as row_sparse"),
    "a sparse matrix": (params_of([params_head((2,), form=V3, storage=2)], "a"), "stored as csr"),
    "a name that is not UTF-8": (params_of([BIAS], [b"\xff\xfe"]), "name 1 of 1 is not UTF-8"),
    "a name of 2^60 bytes": (
        params_of([BIAS], [])[:-8] + b"\1" + bytes(7) + bytes(7) + b"\x10",
        "name 1 of 1",
    ),
    "a name twice": (params_of([BIAS, BIAS], ["a", "a"]), "contains 'a' twice"),
    "a name twice but for its prefix": (
        params_of([BIAS, BIAS], ["arg:a", "aux:a"]),
        "contains 'a' twice",
    ),
    "no names": (params_of([BIAS], []), "contains 1 arrays and 0 names"),
    "bytes behind the end": (
        params({"a": WEIGHTS["features.0.bias"]}) + b"\0\0\0",
        "3 more bytes follow",
    ),
}


@pytest.mark.parametrize("kind", LYING)
def test_a_wrong_header_is_refused_with_the_reason(tmp_path, kind):
    content, problem = LYING[kind]
    assert problem in refusal(tmp_path, content, "net.params")
