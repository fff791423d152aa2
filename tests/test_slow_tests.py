"""The slow tests that .ci/run chooses, for what changed since the last commit that passed all tests."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.checkout import git
from fakes.pages import PASTED, ROOT

if not (ROOT / ".ci" / "slow_tests.py").exists():
    pytest.skip("needs a clone", allow_module_level=True)
_spec = importlib.util.spec_from_file_location("slow_tests", ROOT / ".ci" / "slow_tests.py")
slow_tests = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow_tests)


def test_a_page_chooses_its_own_tests_the_site_and_those_that_name_it():
    (own,) = slow_tests.tests_of_page(ROOT / "docs" / "howto" / "int8.md")
    assert slow_tests.choose(["docs/howto/int8.md"]) == {own, "tests/test_site.py"}
    assert slow_tests.choose(["docs/cli.md"]) == {"tests/test_site.py"}
    assert "tests/test_migrating.py" in slow_tests.choose(["docs/migrating.md"])


def test_a_card_chooses_what_reads_cards():
    chosen = slow_tests.choose(["models/public/blazepose-full/README.md"])
    folders = {"lint", "pages", "test_site.py"}
    folders.add("test_docs.py::test_the_commands_of_a_card_run_as_pasted")
    assert {name.split("/")[1] for name in chosen} == folders


def test_a_feature_chooses_its_tests_those_of_its_importers_and_the_pages_with_its_verbs():
    chosen = slow_tests.choose(["src/posezoo/quantize/int8_comparison.py"])
    own = {name for name in slow_tests.slow_tests() if name.startswith("tests/quantize/")}
    others = {"tests/run/test_load.py", "tests/omz/verbs/test_shims.py"}
    pages = slow_tests.tests_of_page(ROOT / "docs" / "howto" / "int8.md")
    assert own | others | pages | {"tests/test_own_keypoints.py"} < chosen
    assert not any(name.startswith(("tests/networks", "tests/scale")) for name in chosen)


def test_a_part_that_the_core_calls_chooses_the_cores_tests():
    assert "tests/core/convert/test_publish.py" in slow_tests.choose(
        ["src/posezoo/omz/model_optimizer.py"]
    )


def test_a_part_that_only_the_command_line_asks_for_leaves_out_the_cores_tests():
    chosen = slow_tests.choose(["src/posezoo/export/targets.py"])
    assert {"tests/export/test_targets.py", "tests/cli/verbs/test_completion.py"} < chosen
    assert not any(name.startswith("tests/core/convert/") for name in chosen)


def test_a_module_that_others_import_for_its_types_alone_is_not_what_they_run():
    """Among them are list and convert, whose pages and cards name the types of results."""
    chosen = slow_tests.choose(["src/posezoo/run/runtime/estimator.py"])
    assert "tests/run/test_load.py" in chosen
    assert "tests/core/download/test_kills.py" not in chosen


def test_what_a_module_does_without_a_type_checker_is_read():
    code = (
        "if TYPE_CHECKING:\n    import posezoo.core.layout\nelse:\n    import posezoo.core.errors\n"
    )
    code += "def f():\n    from posezoo.core import events\n"
    modules = {"core.layout", "core.errors", "core.events"}
    assert slow_tests.imported_by(code, modules) == {"core.errors", "core.events"}


def test_a_pipeline_chooses_the_tests_of_what_loads_models():
    pipeline = "run.runtime.blazepose_pipeline"
    assert pipeline in slow_tests.pipelines() <= slow_tests.imports()[slow_tests.LOADING]
    assert pipeline not in slow_tests.imports()["poses.blazepose"]
    readers = [name for name, code in slow_tests.codes().items() if "record.pipeline" in code]
    assert readers == [slow_tests.LOADING]


def test_the_graph_of_a_decoder_chooses_the_tests_that_name_the_decoder():
    chosen = slow_tests.choose(["src/posezoo/export/decoded/yolox_graph.py"])
    assert "tests/test_pose_models_of_2026.py" in chosen
    assert "tests/export/decoded/test_decoding.py" in chosen


def test_a_test_that_runs_the_commands_of_a_page_is_chosen_by_their_verbs():
    chosen = slow_tests.choose(["src/posezoo/run/runtime/estimator.py"])
    assert "tests/test_first_minutes.py" in chosen
    assert "tests/test_opencv_versions.py" in chosen  # python -m posezoo run


def test_a_decoder_chooses_the_tests_that_name_it_or_a_model_with_it():
    chosen = slow_tests.choose(["src/posezoo/poses/rtmo.py"])
    others = slow_tests.choose(["src/posezoo/poses/posenet.py"])
    by_rtmo, by_posenet = (
        "tests/judges/test_rtmlib_networks.py",
        "tests/run/runtime/test_posenet.py",
    )
    assert by_rtmo in chosen - others and by_posenet in others - chosen
    assert {"tests/test_stated_accuracy.py", "tests/upkeep/test_proof.py"} < chosen  # of all models
    names = slow_tests.names_of_decoders({"poses.simcc"})
    assert {"simcc", "rtmpose-t-halpe26"} < names and "rtmo-s" not in names


def test_what_all_decoders_use_chooses_the_tests_that_use_any():
    one = slow_tests.choose(["src/posezoo/poses/simcc.py"])
    all_of_them = slow_tests.choose(["src/posezoo/poses/keypoints.py"])
    assert one < all_of_them and len(all_of_them) > 2 * len(one)


def test_a_helper_that_imports_a_changed_module_chooses_the_tests_that_use_it():
    chosen = slow_tests.choose(["src/posezoo/export/decoded/decoding_options.py"])
    assert "tests/run/runtime/test_model_api.py" in chosen


def test_a_helper_that_runs_a_verb_chooses_the_tests_that_use_it():
    chosen = slow_tests.choose(["src/posezoo/upkeep/verbs/prove.py"])
    assert "tests/core/download/test_dead_hosts.py" in chosen


def test_each_part_of_a_feature_is_asked_for():
    asked = set().union(*map(slow_tests.parts_of_places, slow_tests.codes().values()))
    assert asked == set().union(*slow_tests.added_parts().values())


def test_a_template_chooses_the_tests_of_the_modules_that_name_it():
    one = slow_tests.choose(["src/posezoo/export/templates/dlstreamer.sh.in"])
    assert one == slow_tests.choose(["src/posezoo/export/dlstreamer.py"])
    assert one < slow_tests.choose(["src/posezoo/export/templates/unknown.in"])


def test_each_template_is_named_by_some_modules_of_its_feature():
    folder = ROOT / "src" / "posezoo" / "export" / "templates"
    every = slow_tests.modules_in(folder / "unknown.in")
    paths = [path for path in folder.iterdir() if path.is_file()]
    assert len(paths) > 20
    assert all(slow_tests.modules_in(path) < every for path in paths)


def test_a_test_outside_of_its_feature_is_chosen_by_its_name():
    chosen = slow_tests.choose(["src/posezoo/solutions/pose.py"])
    assert "tests/judges/test_mediapipe_solutions.py" in chosen


@pytest.mark.parametrize(
    "name", ["scale/no_such_module.py", "scale/__init__.py", "scale/verbs/summaries.json"]
)
def test_what_is_no_module_of_a_feature_changes_all_of_them(name):
    one = slow_tests.choose(["src/posezoo/scale/cluster.py"])
    assert one < slow_tests.choose([f"src/posezoo/{name}"])


@pytest.mark.parametrize(
    "name",
    [
        "src/posezoo/core/layout.py",
        "src/posezoo/api.py",
        "src/posezoo/__init__.py",
        "models/public/blazepose-full/model.yml",
        "setup.cfg",
        "constraints.txt",
        "Makefile",
        "tests/conftest.py",
        "tests/fakes/zoo.py",
        ".ci/run",
        "unknown.txt",
        "unknown/test_it.py",
    ],
)
def test_what_may_change_all_chooses_the_everyday_tests(name):
    assert slow_tests.everyday_tests() <= slow_tests.choose([name])


def test_everyday_tests_are_all_but_those_of_the_night_and_of_some_pages():
    chosen = slow_tests.choose(["src/posezoo/core/layout.py"])
    assert {"tests/core/download/test_kills.py", "tests/scale/test_cluster_flag.py"} < chosen
    assert "tests/test_site.py" not in chosen and "tests/judges/test_mediapipe.py" not in chosen
    pages = {name for name in chosen if name.startswith("tests/test_docs.py")}
    assert len(pages) == 3 and all("::" in page for page in pages)


def test_a_feature_chooses_its_tests_of_the_night_beside_a_change_of_the_core():
    feature, core = "src/posezoo/measure/devices/device_proof.py", "src/posezoo/core/layout.py"
    own = "tests/measure/devices/test_device_proof.py"
    assert own not in slow_tests.choose([core])
    assert own in slow_tests.choose([core, feature])


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("models/public/blazepose-full/model.yml", "tests/run/runtime/test_blazepose_pipeline.py"),
        ("setup.cfg", "tests/test_packaging.py"),
    ],
)
def test_a_model_or_another_file_chooses_the_tests_of_the_night_that_name_it(name, own):
    assert own not in slow_tests.everyday_tests()
    assert own in slow_tests.choose([name])


def test_fixtures_of_a_folder_choose_its_tests():
    chosen = slow_tests.choose(["tests/quantize/conftest.py"])
    assert "tests/quantize/test_real_models.py" in chosen
    assert all(name.startswith("tests/quantize/") for name in chosen)


def test_each_line_of_the_night_has_slow_tests():
    for line in slow_tests.NIGHTLY:
        assert any(Path(name).is_relative_to(line) for name in slow_tests.slow_tests()), line


def test_a_changed_test_is_chosen_and_the_record_of_a_green_commit_chooses_none():
    assert slow_tests.choose(["tests/test_growth.py"]) == {"tests/test_growth.py"}
    assert slow_tests.choose(["tests/gone/test_gone.py", ".ci/green"]) == set()


def test_the_tests_of_pages_exist():
    text = (ROOT / "tests" / "test_docs.py").read_text("utf-8")
    for page, tests in slow_tests.PAGE_TESTS.items():
        assert (ROOT / page).exists()
        assert all(f"def {test}(" in text for test in tests)
    assert f"def {slow_tests.PASTED_TEST}(" in text
    assert len(PASTED) > 10


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A repository of one commit that passed all tests, which the next one says."""
    slow_tests.slow_tests()  # those of this checkout are kept
    monkeypatch.setattr(slow_tests, "ROOT", tmp_path)
    monkeypatch.setattr(slow_tests, "GREEN", tmp_path / "green")
    git(tmp_path, "init", "-q")
    (tmp_path / "page.md").write_text("a")
    commit(tmp_path)
    slow_tests.record(head(tmp_path))
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@a.invalid", "commit", "-qm", "a")


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD").strip()


def files_changed() -> list[str]:
    return slow_tests.files_changed_since(slow_tests.GREEN.read_text().strip())


def test_what_changed_is_committed_or_not_and_what_is_new_counts(clone):
    assert files_changed() == ["green"]
    (clone / "page.md").write_text("b")
    commit(clone)
    (clone / "new file.md").write_text("c")
    (clone / "green").write_text(f"{(clone / 'green').read_text()}\n")
    assert sorted(files_changed()) == ["green", "new file.md", "page.md"]


@pytest.mark.parametrize("known", ["", "0" * 40, None])
def test_without_a_known_commit_all_slow_tests_run(clone, known, capsys):
    (clone / "green").unlink()
    if known is not None:
        (clone / "green").write_text(known)
    slow_tests.print_choice()
    said = capsys.readouterr()
    assert set(said.out.split()) == slow_tests.slow_tests().keys()
    assert "because no commit is known" in said.err and said.err.endswith("left out: none\n")


def test_a_clone_without_history_runs_all_slow_tests(clone, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("shallow")
    git(folder, "clone", "-q", "--depth=1", clone.as_uri(), ".")
    monkeypatch.setattr(slow_tests, "ROOT", folder)
    monkeypatch.setattr(slow_tests, "GREEN", folder / "green")
    chosen, reason = slow_tests.choose_now()
    assert chosen == slow_tests.slow_tests().keys() and reason.startswith("no commit is known")


def test_only_a_commit_is_recorded(clone, capsys):
    before = (clone / "green").read_text()
    (clone / "page.md").write_text("b")
    slow_tests.record(head(clone))
    assert (clone / "green").read_text() == before
    assert ".ci/green stays" in capsys.readouterr().out


def test_a_commit_that_came_during_the_tests_is_not_recorded(clone, capsys):
    before = (clone / "green").read_text()
    tested = head(clone)
    (clone / "page.md").write_text("b")
    commit(clone)
    slow_tests.record(tested)
    assert (clone / "green").read_text() == before
    assert ".ci/green stays" in capsys.readouterr().out


def test_one_line_says_what_was_chosen_why_and_what_was_left_out(tmp_path, capsys, monkeypatch):
    changed = ["tests/test_growth.py"]
    monkeypatch.setattr(slow_tests, "files_changed_since", lambda commit: changed)
    monkeypatch.setattr(slow_tests, "GREEN", tmp_path / "green")
    (tmp_path / "green").write_text("0123456789abcdef\n")
    slow_tests.print_choice()
    said = capsys.readouterr()
    assert said.out == "tests/test_growth.py\n"
    (line,) = said.err.splitlines()
    assert (
        line.startswith("== slow tests: 1 of 1") and " 1 files changed since 0123456789ab;" in line
    )
    assert "left out: tests " in line and ", tests/cli " in line


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["test-all", "test-slow"])
@pytest.mark.parametrize(
    ("of_compileall", "of_pytest", "is_tried_again"),
    [(0, 1, True), (0, 137, False), (0, 2, False), (1, 0, False)],
    ids=["tests failed", "pytest was killed", "pytest broke off", "a file cannot be compiled"],
)
def test_make_tries_again_if_tests_failed_but_not_if_some_did_not_run(
    tmp_path, target, of_compileall, of_pytest, is_tried_again
):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\ncase "$*" in *--last-failed*) exit 0 ;;'
        f" *compileall*) exit {of_compileall} ;; *) exit {of_pytest} ;; esac\n"
    )
    python.chmod(0o755)
    (tmp_path / ".installed-test").touch()
    command = ["make", f"VENV={tmp_path}", "WORKERS=1", target]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode == 0) == is_tried_again, ended.stderr
    assert ("--last-failed" in ended.stdout) == is_tried_again
