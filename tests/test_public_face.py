"""The public face, stored in tests/golden/face: what users and their scripts call, write and read.

A changed line there is a decision: a name may be added, but one that users rely on does not go away.
``STORE_PUBLIC_FACE=1 pytest tests/test_public_face.py`` stores the face as it is now.
"""

import argparse
import dataclasses
import inspect
import json
import os
import re
import tempfile
from enum import Enum
from types import SimpleNamespace

import pytest
import yaml

import posezoo
from fakes.checkout import ROOT
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.cli import main as command_line
from posezoo.cli import run_main
from posezoo.core import events
from posezoo.core.declarations.model import Digest, Precision
from posezoo.core.files.manifest import describe
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir import provenance
from posezoo.core.ir.complexity import Complexity
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import SETTINGS, read_settings, to_settings
from posezoo.core.versions import package_version
from posezoo.export.targets import TARGETS
from posezoo.figures.measured import KINDS, Measurement, format_measured_yml
from posezoo.lint.rules import load_rules
from posezoo.networks import NETWORKS
from posezoo.omz.commands import converter, downloader, info_dumper, mo, quantizer
from posezoo.pages.cards.registry_pages import render_pages
from posezoo.poses.decoders import DECODERS
from posezoo.proof.self_check import OutputDifference, SelfCheckResult
from posezoo.quantize.quantization_plan import PhotoSplit, QuantizationTarget
from posezoo.quantize.quantization_plan import quantization_key as int8_key_of
from posezoo.run.pipeline_spec import PipelineSpec
from posezoo.run.runtime.estimator import Estimator

GOLDEN = ROOT / "tests" / "golden" / "face"


def compare(name, lines):
    """Compare lines with the stored ones, or store them if the environment says so."""
    path = GOLDEN / name
    if os.environ.get("STORE_PUBLIC_FACE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")
    stored = path.read_text("utf-8").splitlines()
    assert lines == stored, (
        "if the change is meant: STORE_PUBLIC_FACE=1 pytest tests/test_public_face.py"
    )


# --- the Python API


def signature(function):
    """Names, kinds and defaults of the parameters, without types."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_default(parameter.default))
        for parameter in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(parameters))


class _Shown(str):
    __slots__ = ()

    def __repr__(self):
        return str(self)


def _default(value):
    if value is inspect.Parameter.empty:
        return value
    value = value.value if isinstance(value, Enum) else value
    plain = value is None or isinstance(value, (bool, int, float, str, tuple))
    return _Shown(repr(value) if plain else "...")


def members(kind, name):
    """A class as users see it: how it is made, its attributes and methods."""
    yield f"{name}{signature(kind)}"
    attributes = {each for each in dir(kind) if not each.startswith("_")}
    if dataclasses.is_dataclass(kind):
        attributes |= {field.name for field in dataclasses.fields(kind)}
    for attribute in sorted(attributes):
        value = inspect.getattr_static(kind, attribute, None)
        value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        yield f"{name}.{attribute}{signature(value) if inspect.isfunction(value) else ''}"


def estimator():
    """What posezoo.load returns, without a network."""
    network = SimpleNamespace(device="CPU", executed_precision="f32", requests=1, streams=1)
    pipeline = SimpleNamespace(networks=[network], input_size=(456, 256))
    return Estimator(
        open_registry().find("human-pose-estimation-0001"), "openpose", pipeline, again=estimator
    )


def test_the_python_api_is_the_stored_one():
    lines = [f"posezoo.{name}" for name in (*posezoo.__all__, "list")]
    functions = {
        "posezoo.decode": posezoo.decode,
        "posezoo.draw": posezoo.draw,
        "posezoo.get": posezoo.get,
        "posezoo.load": posezoo.load,
        "posezoo.network": posezoo.network,
        "posezoo.version": posezoo.version,
        "posezoo.coco.read": posezoo.coco.read,
        "posezoo.evaluation.evaluate": posezoo.evaluation.evaluate,
    }
    lines += [f"{name}{signature(function)}" for name, function in functions.items()]
    lines += members(posezoo.Options, "posezoo.Options")
    lines += members(posezoo.Preparation, "posezoo.Preparation")
    lines += members(posezoo.Pose, "posezoo.Pose")
    lines += members(posezoo.Pose3D, "posezoo.Pose3D")
    lines += [
        f"what posezoo.load returns: .{name}"
        for name in sorted(vars(estimator()))
        if name[0] != "_"
    ]
    lines += [
        f"what posezoo.load returns: {name}{signature(method)}"
        for name, method in (
            ("__call__", Estimator.__call__),
            (".batch", Estimator.batch),
            (".stream", Estimator.stream),
            (".tracker", Estimator.tracker),
            (".stream_all", Estimator.stream_all),
            (".with_detector", Estimator.with_detector),
        )
    ]
    lines += [
        f"posezoo.errors.{name}{signature(kind) if inspect.isfunction(kind.__init__) else '()'}:"
        f" {', '.join(base.__name__ for base in kind.__bases__)}"
        for name, kind in sorted(vars(posezoo.errors).items())
        if isinstance(kind, type) and issubclass(kind, BaseException)
    ]
    lines += [
        f"each of posezoo.errors has .{name}" for name in vars(posezoo.PosezooError("a", hint="b"))
    ]
    lines += [f"posezoo.decode accepts {name}" for name in sorted(DECODERS.names())]
    lines += [f"posezoo.network accepts {name}" for name in sorted(NETWORKS)]
    compare("python.txt", lines)


# --- verbs and flags


def flags(parser):
    """One line an argument, sorted: its spellings, how many values, choices, default."""
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from flags(verb)
            continue
        words = [", ".join(action.option_strings) or f"positional {action.metavar or ''}".strip()]
        words += [f"nargs={action.nargs}"] if action.nargs is not None else []
        words += [f"choices={','.join(map(str, action.choices))}"] if action.choices else []
        words += ["required"] if action.required and action.option_strings else []
        value = action.default.value if isinstance(action.default, Enum) else action.default
        if isinstance(value, (bool, int, float, str)) and value not in (
            "",
            False,
            argparse.SUPPRESS,
        ):
            words.append(f"default={value}")
        rows.append(f"{parser.prog} {' '.join(words)}")
    yield from (sorted(rows) or [parser.prog])


def test_verbs_and_flags_are_the_stored_ones():
    tools = (downloader, converter, quantizer, info_dumper)
    lines = [
        *flags(command_line.create_parser()),
        *(line for tool in tools for line in flags(tool.COMMAND.create_parser())),
        *flags(mo.create_parser()),
    ]
    compare("flags.txt", sorted(lines))


def test_the_demo_and_the_commands_start_where_old_scripts_call_them():
    """Their files are part of the face; what they accept is in flags.txt, as the verb demo has it."""
    found = sorted(
        path.relative_to(ROOT).as_posix()
        for folder in ("tools", "demos")
        for path in (ROOT / folder).rglob("*.py")
    )
    compare("scripts.txt", found)


# --- what is new


def list_names():
    """The names that users write, each after its kind."""
    text = (GOLDEN / "flags.txt").read_text("utf-8")
    kinds = {
        "decoder": DECODERS.names(),
        "flag": re.findall(r"(?<![\w-])--\w+", text),
        "model": open_registry().entries,
        "rule": load_rules(),
        "target": TARGETS.names(),
        "verb": re.findall(r"^posezoo ([a-z]\w*)", text, re.MULTILINE),
    }
    return {f"{kind} {name}" for kind, names in kinds.items() for name in names}


def test_a_name_that_the_last_release_did_not_have_is_in_the_changelog():
    """released_names.txt has the names of a release, below its version: no step of a later one needs to renew it."""
    path = GOLDEN.parent / "released_names.txt"
    version, *released = path.read_text("utf-8").splitlines()
    earlier = (ROOT / "docs" / "history.md").read_text("utf-8")
    since, heading, _ = earlier.partition(f"\n## {version} ")
    assert heading
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    code = " ".join(re.findall(r"`[^`]+`", changes + since))
    untold = [
        name
        for name in sorted(list_names().difference(released))
        if not re.search(rf"(?<!\w){re.escape(name.split()[1].lstrip('-'))}(?![\w-])", code)
    ]
    assert not untold, (
        f"write what is new, with its name in `...`, below '## Unreleased' of CHANGELOG.md: {untold}"
    )


# --- exit codes and settings


def fail(error):
    raise error


def test_exit_codes_are_the_documented_ones(monkeypatch, tmp_path):
    """Those of signals are in tests/cli/test_main.py."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert command_line.main(["list"]) == 0
    assert command_line.main(["info", "no-such-model"]) == 1
    assert downloader.main(["--name", "no-such-model"]) == 1
    with pytest.raises(SystemExit) as ended:
        command_line.main(["list", "--no-such-flag"])
    assert ended.value.code == 2
    assert run_main.run_main(lambda: fail(posezoo.PosezooError("a failure"))) == 1
    assert run_main.run_main(lambda: fail(RuntimeError("a bug"))) == 3
    assert run_main.run_main(lambda: fail(KeyboardInterrupt())) == 130


def test_settings_have_the_stored_names_and_are_read_from_file_and_environment(tmp_path):
    """The stored file is a user's own posezoo.cfg with a value for each setting."""
    own = tmp_path / ".config" / "posezoo" / "posezoo.cfg"
    own.parent.mkdir(parents=True)
    text = (GOLDEN / "posezoo.cfg").read_text("utf-8")
    text = text.replace("FOLDER", str(tmp_path))
    own.write_text(text, "utf-8")
    values = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert sorted(SETTINGS) == sorted(values), (
        f"give each setting a value in {GOLDEN / 'posezoo.cfg'}"
    )
    configured = read_settings({}, {"HOME": str(tmp_path)}, tmp_path)
    assert {configured[name].origin for name in SETTINGS} == {str(own)}
    environ = {f"POSEZOO_{name.upper()}": value for name, value in values.items()}
    said = read_settings({}, {**environ, "HOME": str(tmp_path)}, tmp_path)
    assert {said[name].origin for name in SETTINGS} == set(environ)
    assert repr(to_settings(said)) == repr(to_settings(configured))


# --- keys of JSON


#: Below these keys other keys are data: names of files, tensors, packages, options and the like.
DATA = (
    "contains", "devices", "figures", "files", "frozen", "key.sources", "model_info", "network.arguments", "options",
    "self_check.outputs", "self_check.recorded", "settings", "tools",
)  # fmt: skip


def keys(value, path):
    """Every path of keys in a JSON value."""
    if isinstance(value, list):
        return {f"{path}[]"}.union(*(keys(item, f"{path}[]") for item in value))
    if not isinstance(value, dict):
        return {path}
    joint = " " if path.endswith(":") else "."
    if path.replace(" ", ".").endswith(tuple(f".{name}" for name in DATA)):
        return {f"{path}.*"}.union(*(keys(item, f"{path}.*") for item in value.values()))
    return set().union(*(keys(item, f"{path}{joint}{key}") for key, item in value.items()))


def answer(capsys, *argv):
    """What a verb prints with --format json."""
    capsys.readouterr()
    command_line.main([*argv, "--format", "json"])
    return json.loads(capsys.readouterr().out)


def test_keys_of_json_on_the_standard_output_are_the_stored_ones(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "zoo", "small", model_yml(outputs=None))
    small = ["small", "--models_dir", str(tmp_path / "zoo")]
    found = set()
    for verb in ("info", "get --dry_run", "verify"):
        found |= keys(answer(capsys, *verb.split(), "--all"), f"{verb}:")
    found |= keys(answer(capsys, "list"), "list:")
    found |= keys(answer(capsys, "verify", "blazepose-full"), "verify:")
    found |= keys(answer(capsys, "lock", "blazepose-full", "--dry_run"), "lock:")
    found |= keys(answer(capsys, "lint", *small[1:]), "lint:")
    found |= keys(answer(capsys, "convert", *small), "convert that fails:")
    found |= keys(answer(capsys, "prove", "--dry_run", *small), "prove --dry_run:")
    found |= keys(answer(capsys, "info", "no-such-model"), "any verb that fails:")
    assert info_dumper.main(["--all"]) == 0
    found |= keys(json.loads(capsys.readouterr().out), "info_dumper:")
    monkeypatch.setenv("POSEZOO_NO_SUCH_SETTING", "a problem that doctor reports")
    found |= keys(answer(capsys, "doctor"), "doctor:")
    compare("json.txt", sorted(found))


def test_every_event_has_the_stored_type_and_fields():
    kinds = {
        var
        for var in vars(events).values()
        if isinstance(var, type) and issubclass(var, events.Event)
    }
    bases = {events.Event, events.ModelEvent, events.FileEvent, events.TaskFinished}
    assert kinds - {*events.EVENT_TYPES} == bases, "each has its $type in EVENT_TYPES"
    lines = [
        f"{name}: {', '.join(field.name for field in dataclasses.fields(kind))}"
        for kind, (_stage, name) in events.EVENT_TYPES.items()
    ]
    lines += [
        f"each of layers: {', '.join(field.name for field in dataclasses.fields(events.LayerNoise))}"
    ]
    compare("events.txt", lines)


def test_a_download_reports_and_records_with_the_stored_keys(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(b"abc")
    write_model(
        tmp_path / "zoo", "small", model_yml(files=[declared_file(tmp_path / "net.tflite")])
    )
    places = ["--models_dir", str(tmp_path / "zoo"), "--output_dir", str(tmp_path / "models")]
    chosen = ["--name", "small", "--progress_format", "json"]
    capsys.readouterr()
    assert downloader.main([*chosen, *places]) == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lines = [f"downloader: {', '.join(report)} of {report['$type']}" for report in reports]
    converter.main(
        ["--name", "small", "--progress_format", "json", "--download_dir", "models", *places]
    )
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lines += sorted({f"converter: {', '.join(report)} of {report['$type']}" for report in reports})
    lines += sorted(keys(answer(capsys, "download", "small", *places), "posezoo download:"))
    lines += sorted(
        keys(answer(capsys, "info", "--licenses", "small", *places), "info --licenses:")
    )
    folder = tmp_path / "models" / "public" / "small"
    record = json.loads((folder / "provenance.json").read_bytes())
    lines += sorted(keys(record, "provenance.json:"))
    lines += sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    compare("download.txt", lines)


def test_keys_of_files_that_are_written_are_the_stored_ones(tmp_path):
    found = set()
    for path in sorted((ROOT / "models").rglob("card.json")):
        card = json.loads(path.read_bytes())
        found |= keys({**card, "variants": []}, "card.json:")  # each is a card, too
    found |= keys(yaml.safe_load(format_measured_yml(measurements())), "measured.yml:")
    found |= {
        f"measured.yml: {kind}[].figures.{name}"
        for kind, each in KINDS.items()
        for name in each.figures
    }
    for name in ("model", "composite-model"):
        schema = json.loads((ROOT / "docs" / f"{name}.schema.json").read_bytes())
        found |= {f"{name}.schema.json: {key}" for key in schema}
        found |= {f"{name}.yml: {key}" for key in schema["properties"]}
    assert (
        command_line.main(
            ["lock", "blazepose-full", "--lock", str(tmp_path / "posezoo.lock"), "--quiet"]
        )
        == 0
    )
    for line in (tmp_path / "posezoo.lock").read_text("utf-8").splitlines():
        found |= keys(json.loads(line), "posezoo.lock, each line:")
    found |= keys(json.loads(record_of_an_ir()), "provenance.json of an IR:")
    compare("files.txt", sorted(found))


def measurements():
    """One of each kind, with all that can be said of it."""
    return [
        Measurement(
            name, Precision.FP16, dict.fromkeys(kind.figures, 1.0), "tag", "machine", {"batch": 1}, "generated",
            {"openvino": "1"}, "2026-01-01",
        )
        for name, kind in KINDS.items()
    ]  # fmt: skip


def record_of_an_ir():
    """provenance.json as it is written beside an INT8 IR, which has every key."""
    digest = Digest("sha384", "0" * 96)
    files = {
        f"pose-detection-mediapipe{suffix}": describe(1, digest) for suffix in (".xml", ".bin")
    }
    difference = OutputDifference(0.0, 0.1, rounding=provenance.OutputRounding(0.0, 0.0))
    checked = SelfCheckResult("LiteRT", "max", "noise", (0,), {"output": difference})
    spec = open_registry().find("pose-detection-mediapipe")
    shift = dict.fromkeys(provenance.SHIFT, 1.0)
    return provenance.format_provenance(
        spec,
        None,
        files,
        self_check=checked.to_record(),
        complexity=Complexity(1.0, 1.0),
        int8=provenance.Int8Record(shift=shift),
    )


# --- what decides whether an IR has to be made anew


def mask_versions(key):
    """The key without the version of OpenVINO."""
    return {**key, "openvino": "VERSION"}


def test_no_ir_of_a_built_in_model_has_to_be_converted_anew(capsys, tmp_path, monkeypatch):
    """IR whose records hold the stored keys are up to date: where a key changes, every user converts again."""
    monkeypatch.chdir(tmp_path)
    context = open_context(to_settings(read_settings({"weights_dir": tmp_path})))
    models = [*context.registry.select().models, *context.registry.select(["*@*"]).models]
    converted = {
        spec.full_name: resolve_model(spec, (), context) for spec in models if not spec.is_ir
    }
    now = {
        name: provenance.conversion_key(resolved.source, resolved.decoder)
        for name, resolved in sorted(converted.items())
    }
    compare(
        "ir_keys.txt", [f"{name} {json.dumps(mask_versions(key))}" for name, key in now.items()]
    )

    for line in (GOLDEN / "ir_keys.txt").read_text("utf-8").splitlines():
        name, _, key = line.partition(" ")
        for precision in (Precision.FP32, Precision.FP16):
            write_ir(context.layout.ir_path(converted[name].spec, precision), json.loads(key))
    planned = answer(capsys, "get", "--dry_run", "--output_dir", str(tmp_path), *now)
    assert planned["failed"] == []
    reasons = {(model["name"], ir["since"]) for model in planned["models"] for ir in model["irs"]}
    assert {reason for _, reason in reasons} == {None}
    assert len(reasons) == len(now)


def write_ir(xml, key):
    """An IR of which nothing but its record is right."""
    xml.parent.mkdir(parents=True)
    record = json.loads(record_of_an_ir())
    record["key"] = {**key, "openvino": package_version("openvino")}
    record["files"] = {}
    for path in (xml, xml.with_suffix(".bin")):
        path.write_bytes(b"some bytes")
        record["files"][path.name] = {"size": 10, "sha384": compute_digest(path).value}
    xml.with_name("provenance.json").write_text(json.dumps(record), "utf-8")


def test_the_key_of_an_int8_ir_is_the_stored_one(tmp_path):
    lines = []
    for name in ("lightweight-openpose-mobilenet-v1", "higher-hrnet-w32-human-pose-estimation"):
        spec = open_registry().find(name)
        xml = tmp_path / f"{name}.xml"
        xml.write_bytes(b"some bytes")
        xml.with_suffix(".bin").write_bytes(b"more bytes")
        key = int8_key_of(
            QuantizationTarget(spec, PipelineSpec(spec), {name: xml}),
            PhotoSplit((), (), "0" * 96),
            "CPU",
            None,
        )
        key["quantization"]["nncf"] = "VERSION"
        lines.append(f"{name} {json.dumps(mask_versions(key))}")
    compare("int8_keys.txt", lines)


# --- cards


def test_every_card_is_among_those_that_are_drawn_and_compared():
    """``docs/draw.py --check`` compares the bytes of each page; here: that none is left out."""
    drawn = {ROOT / "models" / name for name in render_pages(ROOT / "models")}
    declared = {
        *(ROOT / "models").rglob("model.yml"),
        *(ROOT / "models").rglob("composite-model.yml"),
    }
    assert {
        path.with_name(name) for path in declared for name in ("README.md", "card.json")
    } <= drawn
    assert {*(ROOT / "models").rglob("*.md")} <= drawn
