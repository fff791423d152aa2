"""Every file that posezoo did not write itself is opened by ``open_regular``: a pipe with its name
would wait for a writer, and a device would never end.
"""

import ast
import re
from pathlib import Path

import pytest

import posezoo

SOURCES = Path(posezoo.__file__).parent

#: What opens a file by its path, whatever the file is, if the first argument is no open file.
METHODS = {"read_bytes", "read_text"}
FUNCTIONS = {
    "open", "io.open", "os.open", "codecs.open", "io.FileIO", "Path.open",
    "gzip.open", "lzma.open", "bz2.open", "tarfile.open", "zipfile.ZipFile", "ZipReader",
    "np.fromfile", "np.memmap", "np.load", "cv2.imread",
}  # fmt: skip

#: The last words of all their names.
LAST_WORDS = METHODS | {name.rpartition(".")[2] for name in FUNCTIONS}
CALLED = re.compile(rf"\b(?:{'|'.join(LAST_WORDS)})\s*\(")

#: Names that our code gives to files that are open, or to their bytes.
OPEN = {"stream", "packed", "text", "io", "open_regular"}

#: The files that are ours, by the module and the call that opens them.
OURS = {
    # Parts of the package, of an installed package, or of the checkout.
    "cli/verbs/__init__.py: path.read_text('utf-8')",
    "core/declarations/known_arguments.py:"
    " Path(__file__).with_name('mo_arguments.json').read_text('utf-8')",
    "core/install_commands.py: metadata.distribution('posezoo').read_text('direct_url.json')",
    "core/install_commands.py: (Path(sys.prefix) / 'uv-receipt.toml').read_text('utf-8')",
    "core/versions.py: (Path(__file__).parents[1] / 'commit.txt').read_text('ascii')",
    "core/versions.py: (git / 'HEAD').read_text('utf-8')",
    "core/versions.py: (git / 'packed-refs').read_text('utf-8')",
    "core/versions.py: (git / branch).read_text('utf-8')",
    "core/versions.py: common.read_text('utf-8')",
    "core/versions.py: git.read_text('utf-8')",
    "export/people_targets.py: (TEMPLATES / name).read_bytes()",
    "export/target_type.py: path.read_text('utf-8')",
    "formats/onnx_writer.py: _FUNCTIONS.read_text('utf-8')",
    "formats/region_configs.py: Path(__file__).with_suffix('.json').read_text('utf-8')",
    "networks/blocks.py: Path(__file__).with_name('layer_tables.json').read_text('utf-8')",
    "networks/catalog_file.py: file.read_text('utf-8')",
    "omz/diagnoses.py: package.read_text('RECORD')",
    "omz/stand_in_wheel.py: distribution.read_text('METADATA')",
    "omz/stand_in_wheel.py: path.read_bytes()",
    "omz/stand_in_wheel.py: posezoo.read_text('licenses/LICENSE')",
    "packages/package_indexes.py:"
    " Path(str(pip.origin)).parents[1].joinpath(source).read_text('utf-8')",
    "packages/package_indexes.py: zipfile.Path(wheel, source).read_text('utf-8')",
    "pages/cards/skeleton_svg.py:"
    " Path(__file__).with_name('keypoint_positions.json').read_text('utf-8')",
    "poses/landmarks.py: Path(__file__).with_name('face_parts.json').read_text('utf-8')",
    "run/model_procs.py: (_FOLDER / 'model_procs.yml').read_text('utf-8')",
    "run/model_procs.py: (_FOLDER / f'{_IMAGENET}.txt').read_text('utf-8')",
    "run/result_journal.py: path.read_bytes()",
    "solutions/importable.py:"
    " files('posezoo.solutions').joinpath('importable.json').read_text('utf-8')",
    "solutions/tables.py: files('posezoo.solutions').joinpath('tables.json').read_text('utf-8')",
    # Written just before by this process.
    "core/ir/ir_writer.py: xml.read_bytes()",
    # In a temporary folder of this process.
    "export/model_info_targets.py: xml.with_suffix(suffix).read_bytes()",
    "networks/pytorch_format.py: result.read_bytes()",
    "convert/verbs/convert.py: onnx.read_bytes()",
    "packages/package_parts.py: open(sparse, 'r+b')",
    "packages/package_parts.py: zipfile.ZipFile(sparse)",
    # The system's.
    "cli/run_main.py: os.open(os.devnull, os.O_RDWR)",
    "console/printing.py: os.open(os.devnull, os.O_WRONLY)",
    "core/operating_system.py: (CGROUPS / 'memory.max').read_text('ascii')",
    "core/operating_system.py: (CGROUPS / name).read_text('ascii')",
    "core/operating_system.py: (PROC / 'self/status').read_text('utf-8')",
    "core/operating_system.py: (PROC / f'{pid}/stat').read_text('ascii', 'replace')",
    "core/operating_system.py: (PROC / f'{pid}/status').read_text('ascii', 'replace')",
    "core/operating_system.py: children.read_text('ascii')",
    "core/operating_system.py: os.open(f'/proc/self/fd/{handle}', os.O_RDONLY)",
    "core/workers/processes.py: os.open(os.devnull, os.O_RDONLY)",
    "core/workers/processes.py: os.open(os.devnull, os.O_WRONLY)",
    "run/machine.py: cpuinfo.read_text(encoding='utf-8')",
    "media/ffmpeg.py: (PROC / 'self/maps').read_text('utf-8', errors='surrogateescape')",
    "media/utilization_monitor.py: (self._proc / 'meminfo').read_text('utf-8')",
    "media/utilization_monitor.py: path.read_text('utf-8')",
    # Opened so that no pipe is waited for: with O_NONBLOCK, or for reading and writing.
    "core/download/partial.py: os.open(path, WRITE_FLAGS, 438)",
    "core/download/partial.py: os.open(self.path, WRITE_FLAGS | os.O_EXCL, 438)",
    "core/download/partial.py: os.open(self.path, WRITE_FLAGS)",
    "core/files/file_lock.py: os.open(path, READ_FLAGS)",
    "core/files/file_lock.py: os.open(path, WRITE_FLAGS, 438)",
    "core/files/verified_files.py: os.open(path, os.O_WRONLY | getattr(os, 'O_NONBLOCK', 0))",
    "core/operating_system.py: os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)",
    "core/regular_files.py: open(path, 'rb')",
    # A pipe, which is read as one, and is not waited for.
    "media/captures.py: os.open(path, os.O_RDONLY | os.O_NONBLOCK)",
}


def bare_reads(source):
    """The calls that open a file by its path to read it, as texts."""
    if not CALLED.search(source):
        return  # most modules open nothing
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or last_word(node.func) not in LAST_WORDS:
            continue
        called = ast.unparse(node.func)
        first = node.args[0] if node.args else None
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
        # Our own methods of these names take numbers.
        is_method = is_method and (first is None or is_text(first))
        is_function = (called in FUNCTIONS and first is not None) or (
            called.endswith(".open") and is_text(first)
        )
        roots = (
            {each.id for each in ast.walk(first) if isinstance(each, ast.Name)} if first else set()
        )
        if is_method or (is_function and not roots & OPEN and not is_written(node)):
            yield ast.unparse(node)


def last_word(function):
    """The name of a called function or method, without what is before it."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_written(call):
    modes = [*call.args[1:2], *(each.value for each in call.keywords if each.arg == "mode")]
    written = {mode.value for mode in modes if isinstance(mode, ast.Constant)} - {None}
    return any(isinstance(mode, str) and set(mode) & set("wax") for mode in written)


def test_files_of_others_are_opened_by_open_regular():
    found = {
        f"{path.relative_to(SOURCES).as_posix()}: {read}"
        for path in sorted(SOURCES.rglob("*.py"))
        for read in bare_reads(path.read_text("utf-8"))
    }
    assert found - OURS == set(), "open_regular, read_regular_bytes or read_small opens it"
    assert OURS - found == set(), "these lines are not needed any more"


@pytest.mark.parametrize(
    "call", ["open(path, 'wb')", "open_regular(path)", "cursor.read_bytes(4, 8)"]
)
def test_what_reads_no_file_of_others_is_not_found(call):
    assert list(bare_reads(call)) == []
