"""Commands that answer at once import nothing heavy, and do no step twice."""

import sys

import numpy
import pytest

from fakes.command import assert_success, posezoo, run_process
from fakes.counted_run import count_run
from posezoo.cli.main import VERBS

HEAVY = ("requests", "numpy", "openvino", "torch", "nncf", "cv2", "tqdm", "onnx", "scipy")


def imported(code, allowed=()):
    """The heavy packages that are imported."""
    names = f"[name for name in {HEAVY!r} if name in sys.modules]"
    program = f"import sys\n{code}\nprint(*{names}, file=sys.stderr)"
    ended = run_process([sys.executable, "-c", program])
    assert_success(ended)
    return set(ended.stderr.splitlines()[-1].split()) - set(allowed)


def in_turn(commands, wrong="()"):
    """Code that runs the commands in one process. After each, the expression ``wrong`` has to be empty.

    What one of them imports stays imported: if nothing is there at the end, none of them has imported it.
    """
    return f"""
import sys
from posezoo.cli.main import main
for args in {commands!r}:
    try: main(args)
    except SystemExit: pass
    wrong = {wrong}
    assert not wrong, (args, wrong)
"""


def test_these_commands_import_nothing_heavy():
    commands = [
        *(["--help"], ["--version"], ["list"], ["info", "--all"], ["get", "--all", "--dry_run"]),
        *(["get", "--help"], ["quantize", "--help"], ["export", "--help"]),
    ]
    assert imported(in_turn(commands)) == set()


def test_the_help_of_a_verb_reads_no_yaml():
    helps = [[verb, "--help"] for verb in VERBS if verb != "export"]
    assert imported(in_turn(helps, '{"yaml"} & sys.modules.keys()')) == set()


def test_the_help_of_all_verbs_imports_none_of_them():
    also = "{name for name in sys.modules if name.startswith(('posezoo.core.declarations', 'posezoo.core.settings', 'posezoo.cli.verbs.'))}"
    assert imported(in_turn([["--help"], ["--version"], [], ["fly"]], also)) == set()


def test_the_modules_of_source_types_import_nothing_heavy():
    code = "from posezoo.core.download.source_types import SOURCE_TYPES; [*SOURCE_TYPES.items()]"
    assert imported(code, allowed=("requests",)) == set()


#: What no list needs: connections, the console, and messages of an error.
NOT_FOR_LISTS = (
    *("posezoo.core.download.http", "posezoo.console.console"),
    *("posezoo.scale.storage_source", "difflib"),
)


def test_list_takes_no_step_that_it_does_not_show():
    run = count_run("list")
    assert not {*HEAVY, *NOT_FOR_LISTS} & run.modules
    assert read_twice(run) == set()


def test_get_with_nothing_to_do_looks_at_each_file_and_draws_no_card(blazepose):
    args = ["get", "blazepose-full", "--output_dir", str(blazepose.output_dir), "--quiet"]
    posezoo(*args)  # the cards are drawn if no other test had them drawn
    run = count_run(*args)
    assert not set(HEAVY) & run.modules
    assert "posezoo.pages.cards.model_card" not in run.modules
    assert not {name for name in run.modules if name.startswith("posezoo.scale")}
    # A model.yml is parsed, and its digest is computed once; cards and the plan look at each record.
    assert {
        name for name in read_twice(run) if not name.endswith(("provenance.json", ".yml"))
    } == set()
    assert max(times for path, times in run.opens.items() if path.endswith(".yml")) <= 2
    assert max(run.opens.values()) <= 3


def read_twice(run):
    return {path for path, times in run.opens.items() if times > 1}


@pytest.mark.usefixtures("networks_stay_compiled")
def test_run_with_nothing_to_convert_imports_no_network_code(blazepose, tmp_path):
    cv2 = pytest.importorskip("cv2")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), numpy.zeros((64, 64, 3), numpy.uint8))
    folders = ["--weights_dir", str(blazepose.output_dir), "--output", str(tmp_path / "out")]
    args = ["run", "blazepose-full", "--input", str(photo), *folders, "--quiet"]
    posezoo(*args)
    run = count_run(*args)
    assert set(HEAVY) & run.modules <= {"numpy", "openvino", "cv2"}


def test_a_verb_does_not_import_the_other_verbs():
    code = """
from posezoo.cli.main import main
try: main(["list", "--help"])
except SystemExit: pass
assert "posezoo.pages.verbs.list" in sys.modules
assert not {"posezoo.run.verbs.demo", "posezoo.measure.verbs.benchmark", "posezoo.run.verbs.run"} & sys.modules.keys()
"""
    assert imported(code) == set()
