"""Without a name, the first model of the registry's list runs that this machine reaches."""

import hashlib
import json
from datetime import timedelta

import pytest
import yaml

from fakes.checkout import ROOT
from fakes.network import network
from fakes.server import PAGE, Server
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, onnx_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import DigestError, DownloadError, PosezooError, SelfCheckError
from posezoo.core.pipeline.availability import name_source
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.settings import read_settings, to_settings
from posezoo.run import default_model
from posezoo.run.default_model import describe_default, prepare_default
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.subject import Statement

BODIES = {name: f"the network of {name}".encode() for name in ("best", "second", "last")}

SAYS_NOTHING = Statement()


class Zoo:
    """Three models that are published as IR, the files of each on a server, in a list."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        for name, body in BODIES.items():
            write_model(folder / "models", name, self._declare(name, body))
            for suffix in (".xml", ".bin"):
                server.serve(f"{name}{suffix}", body)
        self.write_names(["task", "second", "last"])

    def write_names(self, defaults, **more):
        names = {"aliases": {"task": "best"}, "defaults": defaults, **more}
        (self.folder / "models" / "names.yml").write_text(yaml.safe_dump(names), "utf-8")

    def _declare(self, name, body):
        files = [
            {
                "name": f"FP16/{name}{suffix}",
                "size": len(body),
                "checksum": hashlib.sha384(body).hexdigest(),
                "source": self.server.url(f"{name}{suffix}"),
            }
            for suffix in (".xml", ".bin")
        ]
        return model_yml(framework="dldt", files=files)

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
        """The name that is chosen, the reason, and the warnings."""
        events = []

        def prepare(name, context):
            model = context.registry.find(name)
            irs = get_irs(model, said.precision or Precision.FP16, context)
            if model.name in makes:
                raise SelfCheckError(f"{name}: differs")
            return irs

        _, chosen = prepare_default(said, self.context(**settings), prepare, events.append)
        self.shown = str(chosen)
        return chosen.name, chosen.why, [event.message for event in events]


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    with Server() as server:
        yield Zoo(tmp_path, server)


def asked(zoo):
    """The models whose host was asked since the last time."""
    paths = [request.path for request in zoo.server.requests]
    zoo.server.requests.clear()
    return list(dict.fromkeys(path.strip("/").partition(".")[0] for path in paths))


def test_the_first_of_the_list_runs_and_a_second_run_asks_nobody(zoo):
    assert zoo.choose() == ("task", "it is the first of the list", [])
    assert zoo.shown == "task: it is the first of the list"
    assert asked(zoo) == ["best"]
    assert zoo.choose() == ("task", "it is the first of the list", [])
    assert asked(zoo) == []
    assert describe_default(zoo.context()) == "task: it was chosen before, and is here"


FAULTS = {
    "gone": {"status": [404] * 9},
    "silent": {"silence_s": 9.0},
    "a web page": {"headers": {"Content-Type": "text/html"}},
    "a wrong size": {},
    "a stall": {"hang_at": 3},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_one_runs_if_a_host_does_not_send_the_file_and_one_line_says_so(zoo, fault):
    body = {"a web page": PAGE, "a wrong size": b"short"}.get(fault, BODIES["best"])
    zoo.server.serve("best.xml", body, **FAULTS[fault])
    name, why, (warning,) = zoo.choose()
    assert name == "second" and why.startswith("task was not downloaded: ")
    assert warning.startswith("second runs, since task was not downloaded: ")
    assert warning.endswith(" UTC); posezoo run task names it") and "\n" not in warning
    assert asked(zoo) == ["best", "second"]


def test_a_host_that_was_silent_is_asked_again_the_next_day(zoo, monkeypatch):
    zoo.server.serve("best.xml", PAGE, status=[404])
    first = zoo.choose()
    assert first[0] == "second" and asked(zoo) == ["best", "second"]
    assert zoo.choose() == first, "each run says so"
    assert asked(zoo) == []
    assert "not asked again for a day: task (was not " in describe_default(zoo.context())
    today = default_model._now()
    monkeypatch.setattr(default_model, "_now", lambda: today + timedelta(days=1, minutes=1))
    zoo.server.serve("best.xml", BODIES["best"])
    assert zoo.choose() == ("task", "it is the first of the list", [])
    assert zoo.choose()[0] == "task"


def test_a_model_that_came_in_another_way_runs_the_same_day(zoo):
    zoo.server.serve("best.xml", PAGE, status=[404])
    assert zoo.choose()[0] == "second"
    zoo.server.serve("best.xml", BODIES["best"])
    context = zoo.context()
    get_irs(context.registry.find("best"), Precision.FP16, context)
    assert zoo.choose() == ("task", "it is the first of the list", [])


def test_a_self_check_that_fails_is_a_warning_and_the_next_model_runs(zoo):
    name, why, (warning,) = zoo.choose(makes=["best"])
    assert (name, why) == ("second", "task was not converted: task: differs")
    assert "task was not converted: task: differs (asked again after" in warning


def test_a_file_of_the_right_size_with_another_digest_ends_the_choice(zoo):
    zoo.server.serve("best.xml", BODIES["best"][::-1])
    with pytest.raises(DigestError):
        zoo.choose()
    assert asked(zoo) == ["best"]


def test_a_model_that_failed_today_is_asked_for_again_if_there_is_no_other(zoo):
    zoo.server.serve("best.xml", PAGE, status=[404] * 9)
    assert zoo.choose()[0] == "second"
    zoo.write_names(["task"])
    with pytest.raises(DownloadError, match=r"best\.xml"):
        zoo.choose()


def test_if_no_model_is_available_one_error_says_why_for_each(zoo):
    for name in BODIES:
        zoo.server.serve(f"{name}.xml", PAGE, status=[404] * 9)
    with pytest.raises(DownloadError) as caught:
        zoo.choose()
    for name in ("task", "second", "last"):
        assert f"{name} was not downloaded: " in caught.value.problem


def test_a_setting_a_mirror_and_an_earlier_choice_ask_for_no_other_model(zoo, tmp_path):
    assert zoo.choose(default="last")[:2] == ("last", "the setting default names it")
    assert asked(zoo) == ["last"]
    mirror = tmp_path / "mirror"
    for body in (BODIES["second"],):
        digest = hashlib.sha384(body).hexdigest()
        file = mirror / "1" / digest[:2] / digest[2:]
        file.parent.mkdir(parents=True)
        file.write_bytes(body)
    assert zoo.choose(mirror=[str(mirror)])[:2] == ("second", "it is the first that the mirror has")
    assert asked(zoo) == []


def test_a_strict_lock_decides_before_anything_is_asked(zoo, tmp_path):
    from fakes.command import posezoo, succeeded

    places = ("--models_dir", "models", "--weights_dir", "weights")
    succeeded(posezoo("lock", "last", "--lock", "my.lock", *places, cwd=tmp_path))
    asked(zoo)
    chosen = zoo.choose(lock=tmp_path / "my.lock", locked=True)
    assert chosen[:2] == ("last", "it is the first that the lock names")


def test_a_model_that_cannot_do_what_is_asked_for_is_left_out(zoo):
    body = BODIES["second"]
    path = zoo.folder / "models" / "public" / "second" / "model.yml"
    path.write_text(path.read_text("utf-8").replace("FP16/", "FP32/"), "utf-8")
    name, why, warnings = zoo.choose(Statement(precision=Precision.FP32))
    assert (name, why, warnings) == ("second", "it is the first that does what is asked for", [])
    assert asked(zoo) == ["second"] and body
    with pytest.raises(PosezooError):
        zoo.choose(Statement(precision=Precision.FP16_INT8))
    assert zoo.choose()[0] == "task", "the choice for other flags is not remembered"


def test_who_has_an_older_default_keeps_it_and_is_told_once(zoo):
    zoo.write_names(["second", "last"])
    assert zoo.choose()[0] == "second"
    zoo.write_names(["task", "second", "last"])
    name, why, (told,) = zoo.choose()
    assert (name, why) == ("second", "it was the default here before")
    assert told.startswith("the default is now task; second stays the default here")
    assert told.endswith("posezoo run task names it")
    asked(zoo)
    assert zoo.choose() == ("second", "it was the default here before", [])
    assert asked(zoo) == []


def test_the_default_of_a_version_that_recorded_none_is_kept_too(zoo):
    zoo.write_names(["task", "second", "last"], former_default="last")
    context = zoo.context()
    get_irs(context.registry.find("last"), Precision.FP16, context)
    name, _, (told,) = zoo.choose()
    assert name == "last" and told.startswith("the default is now task; last stays")
    assert zoo.choose()[2] == []


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


def test_an_older_default_is_kept_though_its_ir_has_to_be_made_again(zoo, tmp_path):
    """An upgrade may convert in another way; the published file is here."""
    needs("onnx")
    file = tmp_path / "last.onnx"
    file.write_bytes(network("onnx"))
    zoo.write_names(["task", "last"], former_default="last")
    declared = {**declared_file(file), "source": zoo.server.serve(file.name, file.read_bytes())}
    write_model(tmp_path / "models", "last", onnx_yml(declared))
    context = zoo.context()
    (xml,) = get_irs(context.registry.find("last"), Precision.FP16, context).values()
    xml.unlink()
    asked(zoo)
    name, _, (told,) = zoo.choose()
    assert name == "last" and told.startswith("the default is now task; last stays")
    assert asked(zoo) == [] and xml.is_file()


@pytest.mark.parametrize("spoilt", ["{", "[]", '{"WEIGHTS": {"name": 1, "names": 2, "passed": 3}}'])
def test_a_spoilt_record_is_asked_for_again(zoo, spoilt):
    record = zoo.folder / "user" / "posezoo" / "default.json"
    record.parent.mkdir(parents=True)
    record.write_text(spoilt.replace("WEIGHTS", str(zoo.folder / "weights")), "utf-8")
    assert zoo.choose()[0] == "task"
    assert json.loads(record.read_text("utf-8"))[str(zoo.folder / "weights")]["name"] == "task"
