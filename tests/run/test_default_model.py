"""Without a name, the first model of the registry's list runs that this machine reached once."""

import hashlib

import pytest
import yaml

from fakes.checkout import ROOT
from fakes.command import posezoo, succeeded
from fakes.server import PAGE, Server
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import DownloadError, PosezooError, SelfCheckError
from posezoo.core.events import DefaultChosen, LicenseNoted
from posezoo.core.pipeline.availability import name_source
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.settings import read_settings, to_settings
from posezoo.run.default_model import prepare_default
from posezoo.run.default_report import describe_default
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.subject import Statement

BODIES = {name: f"the network of {name}".encode() for name in ("best", "second", "last")}
FIRST = ("task", "it is the first of the list")
KEPT = "it was chosen here before"
SAYS_NOTHING = Statement()


class Zoo:
    """Three models that are published as IR in a list; the first one is on a host of its own."""

    def __init__(self, folder, server, other):
        self.folder = folder
        self.server = server
        for name, body in BODIES.items():
            host = server if name == "best" else other
            address = host.url(name).replace(
                "localhost", "127.0.0.1" if host is other else "localhost"
            )
            for suffix in (".xml", ".bin"):
                host.serve(f"{name}{suffix}", body)
            write_model(folder / "models", name, self._declare(name, body, address))
        names = {"aliases": {"task": "best"}, "defaults": ["task", "second", "last"]}
        (folder / "models" / "names.yml").write_text(yaml.safe_dump(names), "utf-8")

    def _declare(self, name, body, address):
        files = [
            {
                "name": f"FP16/{name}{suffix}",
                "size": len(body),
                "checksum": hashlib.sha384(body).hexdigest(),
                "source": f"{address}{suffix}",
            }
            for suffix in (".xml", ".bin")
        ]
        return model_yml(framework="dldt", files=files, license_note=f"The license of {name}.")

    def context(self, **settings):
        flags = {
            "models_dir": self.folder / "models",
            "weights_dir": self.folder / "weights",
            "cache_dir": self.folder / "cache",
            "stall_timeout": 1.0,
            **settings,
        }
        return open_context(to_settings(read_settings(flags)))

    def choose(self, said=SAYS_NOTHING, makes=(), **settings):
        """The name that is chosen, and the reason; ``events`` are those with lines."""
        self.events = []

        def prepare(name, context, listener):
            model = context.registry.find(name)
            irs = get_irs(model, said.precision or Precision.FP16, context, listener=listener)
            if model.name in makes:
                raise SelfCheckError(f"{name}: differs")
            return irs

        _, chosen = prepare_default(said, self.context(**settings), prepare, self.events.append)
        return chosen.name, chosen.why

    def told(self):
        """The reasons of the choices that were told."""
        return [event.reason for event in self.events if isinstance(event, DefaultChosen)]

    @property
    def kept(self):
        return self.folder / "data" / "posezoo" / "default.txt"


@pytest.fixture
def other():
    with Server() as other:
        yield other


@pytest.fixture
def zoo(tmp_path, monkeypatch, server, other):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Zoo(tmp_path, server, other)


def test_the_choice_is_a_line_in_a_file_and_said_once(zoo, server):
    assert zoo.choose() == FIRST and zoo.told() == [FIRST[1]]
    assert zoo.kept.read_text("utf-8") == "task\n"
    server.requests.clear()
    assert zoo.choose() == ("task", KEPT) and zoo.told() == []
    assert server.requests == []


FAULTS = {
    "gone": ({"status": [404] * 9}, "localhost did not send task"),
    "silent": ({"silence_s": 9.0}, "localhost did not answer"),
    "a web page": ({"headers": {"Content-Type": "text/html"}}, "localhost did not send task"),
    "a wrong size": ({}, "localhost did not send task"),
    "a stall": ({"hang_at": 3}, "localhost did not answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_host_that_fails_for_one_run_gives_way_to_the_next_model_for_good(zoo, server, fault):
    how, why = FAULTS[fault]
    body = {"a web page": PAGE, "a wrong size": b"short"}.get(fault, BODIES["best"])
    server.serve("best.xml", body, **how)
    assert zoo.choose() == ("second", why) and zoo.told() == [why]
    noted = [event.model for event in zoo.events if isinstance(event, LicenseNoted)]
    assert noted == ["second"], "nothing is said of the license of a model that does not run"
    server.serve("best.xml", BODIES["best"])
    assert zoo.choose() == ("second", KEPT)


def test_the_line_of_a_choice_has_less_than_120_characters(zoo, server, capsys):
    from posezoo.console.console import Console

    server.serve("best.xml", PAGE, status=[404] * 9)
    zoo.choose()
    console = Console()
    for event in zoo.events:
        if isinstance(event, DefaultChosen):
            console(event)
    assert capsys.readouterr().err == (
        "second, since localhost did not send task; to change it: POSEZOO_DEFAULT=task\n"
    )
    why = "download.openmmlab.com did not send pose"
    console(DefaultChosen("movenet-thunder", why, "POSEZOO_DEFAULT=pose"))
    assert len(capsys.readouterr().err) < 120


def test_files_that_are_here_decide_nothing(zoo):
    context = zoo.context()
    get_irs(context.registry.find("last"), Precision.FP16, context)
    assert zoo.choose() == FIRST


def test_a_model_that_cannot_be_converted_gives_way_too(zoo):
    assert zoo.choose(makes=["best"]) == ("second", "task cannot be converted here")


def test_if_no_model_is_reached_one_error_names_the_hosts(zoo, server, other):
    server.serve("best.xml", PAGE, status=[404] * 9)
    for name in ("second", "last"):
        other.serve(f"{name}.xml", b"short")
    with pytest.raises(DownloadError) as caught:
        zoo.choose()
    assert caught.value.problem == (
        "no default model is available: localhost did not send task,"
        " 127.0.0.1 did not send second, 127.0.0.1 did not send last"
    )
    assert "model.yml" not in caught.value.hint
    assert not zoo.kept.exists() and zoo.told() == []


def test_a_host_that_was_silent_a_moment_ago_is_asked_last(zoo, server, other):
    server.serve("best.xml", BODIES["best"], silence_s=9.0)
    for name in ("second", "last"):
        other.serve(f"{name}.xml", b"short")
    with pytest.raises(DownloadError):
        zoo.choose()
    server.requests.clear()
    other.serve("second.xml", BODIES["second"])
    assert zoo.choose() == ("second", "localhost did not answer")
    assert server.requests == []


def test_a_setting_a_mirror_and_a_lock_decide_and_keep_nothing(zoo, server, other, tmp_path):
    assert zoo.choose(default="last") == ("last", "the setting default names it")
    mirror = tmp_path / "mirror"
    digest = hashlib.sha384(BODIES["second"]).hexdigest()
    file = mirror / "1" / digest[:2] / digest[2:]
    file.parent.mkdir(parents=True)
    file.write_bytes(BODIES["second"])
    other.requests.clear()
    assert zoo.choose(mirror=[str(mirror)]) == ("second", "it is the first that the mirror has")
    assert server.requests + other.requests == []
    places = ("--models_dir", "models", "--weights_dir", "weights")
    succeeded(posezoo("lock", "last", "--lock", "my.lock", *places, cwd=tmp_path))
    chosen = zoo.choose(lock=tmp_path / "my.lock", locked=True)
    assert chosen == ("last", "it is the first that the lock names")
    assert not zoo.kept.exists() and zoo.told() == []


def test_a_model_that_cannot_do_what_is_asked_for_is_left_out_and_nothing_is_kept(zoo, other):
    path = zoo.folder / "models" / "public" / "second" / "model.yml"
    path.write_text(path.read_text("utf-8").replace("FP16/", "FP32/"), "utf-8")
    said = Statement(precision=Precision.FP32)
    assert zoo.choose(said) == ("second", "it is the first that does what is asked for")
    with pytest.raises(PosezooError):
        zoo.choose(Statement(precision=Precision.FP16_INT8))
    assert zoo.choose() == FIRST


@pytest.mark.parametrize("line", [b"", b"\xff\xfe", b"of-another-list\n"])
def test_a_choice_of_another_list_stays_and_this_list_gets_its_own(zoo, line):
    zoo.kept.parent.mkdir(parents=True)
    zoo.kept.write_bytes(line)
    assert zoo.choose() == FIRST
    assert zoo.kept.read_text("utf-8").endswith("task\n")
    assert zoo.choose() == ("task", KEPT)


def test_the_report_names_the_choice_its_file_and_where_each_model_is(zoo):
    before = describe_default(zoo.context())
    assert (before.name, before.file) == ("", str(zoo.kept))
    zoo.choose()
    after = describe_default(zoo.context())
    assert (after.name, after.why) == ("task", KEPT)
    assert after.models == {"task": "here", "second": "from 127.0.0.1", "last": "from 127.0.0.1"}


def test_each_model_of_our_list_finds_the_same_17_keypoints():
    registry = open_registry()
    skeletons = {registry.find(name).skeleton for name in registry.default_names}
    assert skeletons == {"coco-17"}


def test_the_security_page_names_the_hosts_of_our_list():
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    sentence = page[page.index("If no model is named") : page.index("It sends them nothing but")]
    registry = open_registry()
    for name in registry.default_names:
        context = open_context(to_settings(read_settings({})))
        networks = resolve_pipeline(registry.find(name), context).networks(registry)
        sources = [source for spec, _ in networks for file in spec.files for source in file.sources]
        for host in {name_source(source) for source in sources} - {"npm index", "pip index"}:
            assert host in sentence, f"{name}: {host}"
        assert f"`{name}`" in sentence
