"""A month of a team's zoo: two people, a host that moves, a mirror, and models that are trained again, renamed,
withdrawn and merged. Two versions of OpenVINO and of posezoo are in test_last_release.py.
"""

import shutil
import subprocess
from collections.abc import Callable

import pytest

from fakes.checkout import git, require_git
from fakes.command import Ended, posezoo
from fakes.network import network
from fakes.server import Server
from fakes.when_used import needs

Person = Callable[..., Ended]
CFG = "[posezoo]\nmodels_dir = zoo\nweights_dir = models\n"


def weights(number):
    """The same network from another training: ONNX has its number as the name of its producer."""
    return network("onnx") + b"\x12\x02%02d" % number


def person(folder):
    """Runs posezoo in a clone, with a cache of one's own."""
    environ = {"POSEZOO_CACHE_DIR": str(folder.with_name(f"cache-{folder.name}"))}

    def run(*words, fails=False):
        done = posezoo(*words, cwd=folder, **environ)
        assert (done.returncode != 0) is fails, f"{words}: {done.stdout}{done.stderr}"
        return done

    return run


def accept(run, folder, name):
    """Make the IR of a model, record them, and commit."""
    run("get", name, "--precisions", "FP16")
    run("lock", name)
    commit(folder)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Change the zoo")


def pull(folder, other):
    """Merge what the other has committed; whether Git could do it alone."""
    git(folder, "fetch", "--quiet", f"{other}", "HEAD:theirs", "--force")
    try:
        git(folder, "merge", "--quiet", "theirs", "-m", "Merge")
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.fixture
def team(tmp_path):
    """Anna's zoo of three models, which a server has, and Ben's clone of it."""
    needs("openvino")
    require_git()
    anna, ben = tmp_path / "anna", tmp_path / "ben"
    anna.mkdir()
    git(anna, "init", "--quiet")
    (anna / "posezoo.cfg").write_text(CFG)
    (anna / ".gitignore").write_text("models/\n")
    with Server() as server:
        for number in (1, 2, 3):
            address = server.serve(f"p{number}.onnx", weights(number))
            person(anna)("new", f"p{number}", "--from", address, "--license", "MIT")
            accept(person(anna), anna, f"p{number}")
        subprocess.run(["git", "clone", "--quiet", anna, ben], check=True)
        person(ben)("get", "--all", "--locked", "--precisions", "FP16")
        yield anna, ben, server


def test_a_month_of_a_team(team, tmp_path):
    anna, ben, server = team
    assert "up to date" in person(ben)("lock", "--check").stdout
    mirror = tmp_path / "mirror"
    person(anna)("mirror", "create", mirror, "--all")
    with Server() as moved:
        the_host_moves(anna, ben, server, moved)
        git_merges_the_lock_by_itself(anna, ben, moved)
        both_train_the_same_model(anna, ben, moved)
        models_are_renamed_and_withdrawn(anna, ben, mirror)
    a_third_machine_has_the_mirror(anna, mirror)


def the_host_moves(anna, ben, server, moved):
    for number in (1, 2, 3):
        path = anna / "zoo" / "public" / f"p{number}" / "model.yml"
        path.write_text(path.read_text().replace(server.url(), moved.url()))
        moved.serve(f"p{number}.onnx", weights(number))
    run = person(anna)
    run("get", "--all", "--locked", "--precisions", "FP16")
    assert "change no file and no IR" in run("lock", "--check", fails=True).stdout
    run("lock")
    commit(anna)
    assert pull(ben, anna)


def git_merges_the_lock_by_itself(anna, ben, server):
    a, b = person(anna), person(ben)
    a("new", "p1", "--from", server.serve("p1b.onnx", weights(11)), "--replace")
    a("lock", "p1", fails=True)  # it has no IR of these weights yet
    accept(a, anna, "p1")
    b("new", "p4", "--from", server.serve("p4.onnx", weights(4)), "--license", "MIT")
    accept(b, ben, "p4")
    assert pull(ben, anna)
    b("get", "--all", "--locked", "--precisions", "FP16")
    b("lock", "--check")
    assert pull(anna, ben)


def both_train_the_same_model(anna, ben, server):
    for folder, number in ((anna, 21), (ben, 22)):
        address = server.serve(f"p{number}.onnx", weights(number))
        person(folder)("new", "p2", "--from", address, "--replace")
        accept(person(folder), folder, "p2")
    b = person(ben)
    assert not pull(ben, anna)
    assert "is a mark of a merge that Git could not finish" in b("get", "p2", fails=True).stderr
    git(ben, "checkout", "--theirs", "zoo")
    refused = b("get", "p2", "--locked", fails=True).stderr
    assert "remove the lines of the model, and record it again: posezoo lock p2" in refused
    lines = (ben / "posezoo.lock").read_text().splitlines(keepends=True)
    (ben / "posezoo.lock").write_text("".join(line for line in lines if '"p2"' not in line))
    accept(b, ben, "p2")
    b("get", "--all", "--locked", "--precisions", "FP16")
    assert pull(anna, ben)


def models_are_renamed_and_withdrawn(anna, ben, mirror):
    a = person(anna)
    models = anna / "zoo" / "public"
    (models / "p3").rename(models / "p5")
    shutil.rmtree(models / "p4")
    a("get", "p5", "--locked", fails=True)
    accept(a, anna, "p5")
    assert "p3: is in posezoo.lock, but not in this registry" in a("lock", fails=True).stderr
    a("lock", "p3", "p4", "--prune")
    a("lock", "--check")
    commit(anna)
    assert pull(ben, anna)
    person(ben)("get", "--all", "--locked", "--precisions", "FP16")
    a("mirror", "create", mirror, "--all", "--prune")
    assert "are good" in a("mirror", "check", mirror).stdout


def a_third_machine_has_the_mirror(anna, mirror):
    third = anna.with_name("third")
    subprocess.run(["git", "clone", "--quiet", anna, third], check=True)
    run = person(third)
    run("get", "--all", "--locked", "--precisions", "FP16", "--mirror", mirror)
    run("verify", "--all", "--locked")
    run("lock", "--check")
