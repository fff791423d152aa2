import errno
import hashlib
import os
import re
import signal
import sys
from dataclasses import replace

import pytest

from core.convert.test_conversion import in_a_child, tiny
from fakes.conversion import PRECISIONS, convert_model, convert_to_fp16, is_up_to_date
from fakes.small_disk import small_disk
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError, OutputError
from posezoo.core.events import SelfCheckPassed
from posezoo.core.files.staging import PREFIX
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.workers.processes import run_in_child

FP16 = Precision.FP16


def changed(spec):
    """The same model with another mean: other bytes in .xml and .bin."""
    return replace(
        spec, inputs=(replace(spec.inputs[0], mean=(1.0, 2.0, 3.0)),), skeleton="coco-17"
    )


def pair_of(xml):
    return tuple(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (xml, xml.with_suffix(".bin"))
    )


def convert_until(root, moment):
    """Die by SIGKILL right before the n-th change of a file's or folder's name that a conversion makes."""
    spec, layout = tiny(root)
    count = 0

    def hook(event, _arguments):
        nonlocal count
        if event in ("os.rename", "os.remove", "os.mkdir", "tempfile.mkdtemp", "shutil.rmtree"):
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    convert_model(changed(spec), layout, precisions=[FP16])


def die_at(root, moment):
    """Whether the child was killed: it is not when the conversion ends before that moment."""
    try:
        run_in_child(convert_until, root, moment, of="net")
    except ConversionError as error:
        assert error.problem == "net: its process was ended by SIGKILL"
        return True
    return False


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_after_a_kill_there_is_one_complete_pair_or_none_and_the_next_run_repairs_it(tmp_path):
    spec, layout = tiny(tmp_path / "expected")
    new = pair_of(convert_model(changed(spec), layout, precisions=[FP16]).irs[FP16])
    seen, moment, killed = set(), 0, True
    while killed:
        moment += 1
        spec, layout = tiny(tmp_path / str(moment))
        xml = convert_model(spec, layout, precisions=[FP16]).irs[FP16]
        old = pair_of(xml)
        killed = die_at(tmp_path / str(moment), moment)

        state = pair_of(xml) if xml.exists() else None
        assert state in (old, new, None)
        seen.add(state)
        convert_model(changed(spec), layout, precisions=[FP16])
        assert pair_of(xml) == new
        assert is_up_to_date(changed(spec), layout, FP16)
        assert not list(tmp_path.rglob(f"{PREFIX}*"))
    assert seen == {old, new, None}
    assert moment > 8


def test_if_one_record_cannot_be_written_neither_precision_is_replaced(tmp_path, in_this_process):
    spec, layout = tiny(tmp_path)
    before = [pair_of(xml) for xml in convert_model(spec, layout).irs.values()]

    def spoil(event):
        if isinstance(event, SelfCheckPassed) and event.precision is FP16:  # the last of the two
            (folder,) = layout.model_dir(spec).glob(f"{PREFIX}*")
            (folder / FP16 / "provenance.json").mkdir()

    with pytest.raises(OutputError, match="cannot be written"):
        convert_model(changed(spec), layout, listener=spoil)
    assert [pair_of(layout.ir_path(spec, precision)) for precision in PRECISIONS] == before


def test_an_ir_that_does_not_reach_the_disk_is_not_published(
    tmp_path, in_this_process, monkeypatch
):
    spec, layout = tiny(tmp_path)
    before = pair_of(convert_to_fp16(spec, layout))

    def fail(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="cannot be written: Input/output error"):
        convert_to_fp16(changed(spec), layout)
    assert pair_of(layout.ir_path(spec, FP16)) == before


def test_a_folder_in_the_place_of_an_ir_is_to_be_moved_away(tmp_path, in_this_process):
    spec, layout = tiny(tmp_path)
    layout.ir_path(spec, FP16).mkdir(parents=True)
    with pytest.raises(OutputError, match="Is a directory") as caught:
        convert_model(spec, layout, precisions=[FP16])
    assert caught.value.hint == "move that folder away"


def test_the_files_have_the_permissions_of_the_umask(tmp_path, in_this_process):
    spec, layout = tiny(tmp_path)
    mask = os.umask(0o027)
    try:
        xml = convert_to_fp16(spec, layout)
    finally:
        os.umask(mask)
    for path in (xml, xml.with_suffix(".bin"), xml.with_name("provenance.json")):
        assert path.stat().st_mode & 0o777 == 0o640, path


def test_an_ir_in_use_stays_usable_while_it_is_replaced(tmp_path):
    """OpenVINO maps weights into memory: writing over them would kill the process that runs them."""
    spec, layout = tiny(tmp_path)
    ov = import_openvino()
    model = ov.Core().read_model(convert_to_fp16(spec, layout))
    convert_to_fp16(changed(spec), layout)
    assert ov.Core().compile_model(model, "CPU") is not None


@pytest.mark.parametrize("free", [0, 4096, 16384])
def test_on_a_full_disk_the_earlier_ir_stays(tmp_path, free):
    spec, downloads = tiny(tmp_path / "downloads")
    with small_disk(tmp_path / "disk", "256k") as disk:
        layout = ModelLayout(downloads.download_dir, disk)
        xml = convert_to_fp16(spec, layout)
        old = pair_of(xml)
        space = os.statvfs(disk)
        (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - free))
        with pytest.raises(OutputError) as failure:
            convert_model(changed(spec), layout, precisions=[FP16])
        assert "\n" not in failure.value.problem
        assert re.search("the disk is full|No space left", failure.value.problem)
        assert pair_of(xml) == old
        assert import_openvino().Core().read_model(xml) is not None
        assert is_up_to_date(spec, layout, FP16)
        assert not list(disk.rglob(f"{PREFIX}*"))
        (disk / "ballast").unlink()
        new = convert_to_fp16(changed(spec), layout)
        assert pair_of(new) != old


def test_a_file_that_ends_early_is_not_published(tmp_path):
    """A limit on the size of files stops a write where a full disk would, here without a self-check behind it."""
    pytest.importorskip("resource")
    spec, layout = tiny(tmp_path)
    old = pair_of(convert_to_fp16(spec, layout))
    script = """
import json, resource, signal, sys
from pathlib import Path
from core.convert.test_publish import changed
from core.convert.test_conversion import tiny
from fakes.conversion import convert_model
from posezoo.core.errors import OutputError
from posezoo.core.events import SelfCheckPassed
from posezoo.core.declarations.model import Precision
from posezoo.core.workers import processes
processes._is_child = True  # the process that is killed is the one that writes
spec, layout = tiny(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
problems = []
for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        convert_model(changed(spec), layout, precisions=[Precision.FP16], self_check=False)
    except OutputError as error:
        problems.append(error.problem)
sys.stdout.write(json.dumps(problems))
"""
    problems, _ = in_a_child(script, tmp_path, 100, 1000, 10000)
    assert len(problems) == 3
    for problem in problems:
        assert "cannot be written" in problem
        assert "basic_ios" not in problem
    assert pair_of(layout.ir_path(spec, FP16)) == old
