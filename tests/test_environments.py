"""The program that enters what is promised: what it reads, and what it says of a verb without its extras."""

import importlib
import subprocess
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.command import assert_success, run_process


@pytest.fixture
def promises(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    return importlib.import_module("promises")


@pytest.fixture
def repository(promises, environments, monkeypatch, tmp_path):
    """An empty repository, which the reader reads; the program itself, imported before, is of this one."""
    monkeypatch.setattr(promises, "ROOT", tmp_path)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def printed(environments):
    return importlib.import_module("printed")


@pytest.fixture
def environments(monkeypatch, tmp_path):
    """The program, whose files are temporary ones."""
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    module = importlib.import_module("environments")
    machine = importlib.import_module("machine")
    for each in (module, machine):
        monkeypatch.setattr(each, "place", lambda: tmp_path)
    machine.settings.cache_clear()
    yield module
    machine.settings.cache_clear()


WORKFLOW = """\
on: [push, pull_request]
jobs:
  zoo:
    steps:
      - uses: actions/checkout
      - run: python -m pip install -c constraints.txt '.[check]'
      - if: github.event_name == 'push'
        run: posezoo lint
      - if: ${{ !cancelled() && github.event_name != 'push' }}
        env: {NAME: "${{ inputs.model || '--all' }}"}
        run: posezoo verify "$NAME"
      - if: failure()
        run: gh issue create
"""


def write(folder, text):
    (folder / ".github" / "workflows" / "zoo.yml").write_text(text, "utf-8")


def test_a_job_is_read_for_each_event_with_the_lines_where_it_is_written(promises, repository):
    write(repository, WORKFLOW)
    push, request = promises.read_workflows()
    assert push.install == ("-c", "constraints.txt", ".[check]") and push.extras == {"check"}
    (command,) = push.commands
    assert (command.place, command.script) == (
        f"{Path('.github', 'workflows', 'zoo.yml')}:8",
        "posezoo lint",
    )
    (command,) = request.commands
    assert command.environ["NAME"] == "blazepose-full"


MAKEFILE = """\
site: $(VENV)/.installed-docs $(if $(PHOTO),$(VENV)/.installed-run)  ## the site
\t$(BIN)/posezoo card
zoo: $(VENV)/.installed-check
\t$(BIN)/posezoo verify
"""


@pytest.fixture
def makefile(repository):
    """A Makefile that workflows run, and its file."""
    path = repository / "Makefile"
    path.write_text(MAKEFILE, "utf-8")
    (repository / ".ci").mkdir()
    (repository / ".ci" / "more.mk").touch()
    extras = "[options.extras_require]\ncheck =\n    yaml\ndocs =\n    yaml\nrun =\n    yaml\n"
    (repository / "setup.cfg").write_text(
        f"[options]\ninstall_requires =\n    yaml\n{extras}", "utf-8"
    )
    write(repository, "on: [push]\njobs: {a: {steps: [{run: make zoo}]}}\n")
    return path


def test_what_an_argument_of_make_adds_is_an_environment_of_its_own(promises, makefile):
    site, photo, zoo = promises.read_make_targets()
    assert (site.extras, photo.extras, zoo.extras) == ({"docs"}, {"docs", "run"}, {"check"})
    assert "PHOTO=" in photo.commands[0].script and "PHOTO=" not in site.commands[0].script
    assert (site.place, zoo.place) == ("Makefile:1", "Makefile:3")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", ""),
        (" $(VENV)/.installed-check", "", "Makefile:3: zoo needs an environment"),
        ("installed-check", "installed-proof", "Makefile:3: setup.cfg has no extra proof"),
        ("zoo:", "zoos:", "zoo.yml:2: make zoo does not exist"),
    ],
)
def test_what_workflows_and_make_run_exists(environments, makefile, before, after, said):
    makefile.write_text(MAKEFILE.replace(before, after), "utf-8")
    problems = list(environments.check_calls(lambda _: True))
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_each_environment_of_this_repository_says_where_it_is_promised(environments):
    read = (environments.read_workflows, environments.read_make_targets, environments.read_hooks)
    for each in [environment for reader in read for environment in reader()]:
        file, _, line = each.place.partition(":")
        assert (ROOT / file).is_file() and int(line)
        assert each.commands


@pytest.mark.parametrize(
    ("bare", "said"),
    [
        ('posezoo[convert]"', "run is named too late"),
        ('posezoo[convert,run]"', ""),
    ],
)
def test_an_extra_that_only_a_second_hint_names_is_a_failure(environments, bare, said):
    lines = environments.VERBS
    first = [(1, f'error: onnx is not installed\n  hint: pip install "{bare}')] * len(lines)
    second = [(0, "")] * (len(lines) - 1)
    second.append((1, 'error: cv2 is not installed\n  hint: pip install "posezoo[run]"'))
    problems = list(environments.compare_verbs("convert", second, first))
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_each_verb_is_tried(environments):
    assert list(environments.name_untried_verbs()) == []


def test_a_file_is_checked_for_all_that_it_promises_and_a_push_for_what_is_small(environments):
    file = environments.Choice(frozenset({"docs/export.md"}), nightly=False)
    push = environments.Choice(frozenset(), nightly=False)
    night = environments.Choice(frozenset(), nightly=True)
    for large in (False, True):
        assert file.wants("docs/export.md:7", large)
        assert not file.wants("docs/cli.md:7", large)
        assert push.wants("docs/export.md:7", large) != large
        assert night.wants("docs/export.md:7", large) == large


ABSENT = "error: weights.zip: host.example: no connection: Temporary failure in name resolution"


@pytest.mark.parametrize(
    ("code", "answer", "is_a_failure"),
    [
        (0, "photo.jpg: 2 people", False),
        (1, ABSENT, False),
        (1, "error: no model is called 'nosuchmodel'", True),
        (1, "error: no connection: ask your administrator", True),
        (2, "error: unrecognized arguments: --inptu photo.jpg", True),
        (2, ABSENT, True),
        (-11, ABSENT, True),
    ],
)
def test_a_printed_command_ends_with_0_or_names_a_host(printed, capsys, code, answer, is_a_failure):
    ended = subprocess.CompletedProcess([], code, answer)
    problems = list(printed.judge("README.md:7: posezoo run", ended))
    assert [f"README.md:7: posezoo run: exit code {code}" in each for each in problems] == (
        [True] if is_a_failure else []
    )
    assert ("== not tested here: README.md:7" in capsys.readouterr().out) == (
        answer == ABSENT and code == 1
    )


def test_the_blocks_of_a_page_are_read_with_their_lines_and_the_extras_that_it_names(promises):
    pages = {page.file: page for page in promises.read_pages()}
    page = pages["docs/howto/int8.md"]
    lines = (ROOT / page.file).read_text("utf-8").splitlines()
    for block in page.blocks:
        line = int(block.place.partition(":")[2])
        assert lines[line - 1] == block.text.splitlines()[0]
        assert lines[line - 2] == f"```{block.kind}"
    assert page.extras >= {"run", "quantize"}


def test_of_the_readme_what_stands_before_another_installation_is_typed_in_its_own(promises):
    readme = next(page for page in promises.read_pages() if page.file == "README.md")
    beginning = promises.read_beginning(readme)
    assert beginning.extras == {"run"} and beginning.blocks
    assert len(beginning.blocks) < len(readme.blocks)
    assert "pip install" in readme.blocks[len(beginning.blocks)].text
    assert not any("make " in block.text for block in readme.blocks)


def test_the_release_is_entered_step_by_step_and_what_uploads_needs_its_files(promises, tmp_path):
    (release,) = promises.read_release()
    scripts = [command.script for command in release.commands]
    assert release.extras == {"release"}
    assert sum("make --no-print-directory release" in script for script in scripts) == 1
    (upload,) = [script for script in scripts if "gh release create" in script]
    (tmp_path / "dist").mkdir()
    for name in ("NOTES.md", "SHA256SUMS", "posezoo-1.whl"):
        assert run_process(["bash", "-c", upload], cwd=tmp_path, check=False).returncode
        (tmp_path / "dist" / name).touch()
    assert_success(run_process(["bash", "-c", upload], cwd=tmp_path))
