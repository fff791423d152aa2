"""The stages of one model: one plan, which a dry run prints and a real run carries out."""

import pytest

from fakes.network import HEIGHT, WIDTH, network
from fakes.server import Server
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.cli.lock_entries import collect_entries
from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError, DownloadError, LockError
from posezoo.core.pipeline.get import download, get, get_irs
from posezoo.core.pipeline.plan import make_plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings

needs("openvino")

FP16 = Precision.FP16
INPUTS = [{"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC", "color": "RGB"}]


@pytest.fixture
def origin(tmp_path):
    """Where the file of the one model is downloaded from."""
    path = tmp_path / "origin" / "net.tflite"
    path.parent.mkdir()
    path.write_bytes(network())
    return path


def context_of(folder, origin, **settings):
    write_model(
        folder / "models",
        "net",
        model_yml(files=[declared_file(origin)], inputs=INPUTS, outputs=None),
    )
    places = {
        "models_dir": (folder / "models",),
        "weights_dir": folder / "out",
        "lock": folder / "lock",
    }
    return open_context(to_settings(read_settings({**places, **settings})))


def resolved_in(context):
    return resolve_model(context.registry.find("net"), (FP16,), context)


def test_nothing_is_downloaded_of_which_no_ir_can_be_made(origin, tmp_path):
    context = context_of(tmp_path, origin)
    spec = context.registry.find("net")
    with pytest.raises(ConversionError, match="no conversion makes FP16-INT8"):
        get_irs(spec, Precision.FP16_INT8, context)
    assert not (tmp_path / "out").exists()


def test_a_strict_lock_refuses_an_ir_that_is_up_to_date_and_one_that_would_be_made(
    origin, tmp_path
):
    context = context_of(tmp_path, origin)
    spec = context.registry.find("net")

    def lock():
        entries = collect_entries(spec, context).entries
        context.lock.update(lambda _: {entry.key: entry for entry in entries})

    lock()
    strict = context_of(tmp_path, origin, locked=True)
    with pytest.raises(LockError, match=r"net: FP16/net\.xml is not in "):
        get(resolved_in(strict), strict)
    (xml,) = get(resolved_in(context), context).irs.values()
    with pytest.raises(LockError, match=r"net: FP16/net\.xml is not in "):
        get(resolved_in(strict), strict)
    lock()
    strict = context_of(tmp_path, origin, locked=True)
    assert get(resolved_in(strict), strict, ConversionOptions(force=True)).irs == {FP16: xml}


def test_weights_that_are_gone_lead_to_own_weights_and_to_models_that_are_here(origin, tmp_path):
    pytest.importorskip("torch", reason="needs torch")
    context = context_of(tmp_path, origin, cache_dir=tmp_path / "cache")
    with Server() as server:
        file = {
            **declared_file(origin, name="gone.pth"),
            "checksum": "0" * 96,
            "source": server.url("gone.pth"),
        }
        gone = model_yml(
            files=[file],
            framework="pytorch",
            checkpoint="gone.pth",
            network={"name": "mobile_pose_resnet18_v1b"},
        )
        write_model(tmp_path / "models", "gone", gone)
        write_model(
            tmp_path / "models", "dead", model_yml(files=[{**file, "source": server.url("dead")}])
        )
        download(make_plan(resolved_in(context), context), context)
        context = open_context(context.settings)
        resolved = resolve_model(context.registry.find("gone"), (FP16,), context)
        with pytest.raises(DownloadError, match="HTTP 404") as caught:
            download(make_plan(resolved, context), context)
    assert caught.value.hint == (
        "check the address, or give a folder with a copy: --mirror DIR, or POSEZOO_MIRROR=DIR; "
        f"posezoo run gone --models_dir {tmp_path}/models --checkpoint FILE runs weights of your own; models with the same task that are available: net"
    )


def test_another_published_precision_that_is_here_is_suggested(tmp_path):
    files = []
    with Server() as server:
        for precision in ("FP16", "FP16-INT8"):
            for suffix in (".xml", ".bin"):
                path = tmp_path / precision / f"net{suffix}"
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{precision}{suffix}")
                file = declared_file(path, name=f"{precision}/net{suffix}")
                files.append({**file, "source": server.url(file["name"])})
        write_model(
            tmp_path / "models", "net", model_yml(files=files, framework="dldt"), family="intel"
        )
        places = {"models_dir": (tmp_path / "models",), "weights_dir": tmp_path / "out"}
        context = open_context(
            to_settings(read_settings({**places, "cache_dir": tmp_path / "cache"}))
        )
        (tmp_path / "out" / "intel" / "net" / "FP16-INT8").mkdir(parents=True)
        for suffix in (".xml", ".bin"):
            kept = tmp_path / "out" / "intel" / "net" / "FP16-INT8" / f"net{suffix}"
            kept.write_text(f"FP16-INT8{suffix}")
        with pytest.raises(DownloadError) as caught:
            download(make_plan(resolved_in(context), context), context)
    assert (
        caught.value.hint == "its files in FP16-INT8 are available: choose the precision FP16-INT8"
    )
