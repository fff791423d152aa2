"""Models that see one person at a time come with who finds the people."""

import json
import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import posezoo
from conftest import by_digest
from fakes.command import json_of, read_json, succeeded
from fakes.command import posezoo as posezoo_command
from fakes.dots import boxes_network, dots_network
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import (
    TRACKING,
    WHOLE_IMAGE,
    Decoder,
    Family,
    Framework,
    License,
    ModelSpec,
    PairLimits,
    People,
    Precision,
)
from posezoo.core.errors import DownloadError, InferenceError, UnknownModelError
from posezoo.core.events import WarningIssued
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import builtin_models_dir
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import DEFAULT_DETECTOR, read_settings, to_settings
from posezoo.media import images
from posezoo.run import advice, load
from posezoo.run.default_model import default_names
from posezoo.run.pipeline_spec import PipelineSpec, is_quantized_here, resolve_pipeline
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig
from posezoo.run.subject import Statement, Subject, find_subject

cv2 = pytest.importorskip("cv2")

MOVENET_THUNDER = "movenet-thunder"
DETECTOR, MOVENET = "person-detection-retail-0013", "movenet-singlepose-lightning-int8"
ASTRONAUT = "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3"
#: In the mirror, unlike the default detector.
BLAZEPOSE = "blazepose-full"
#: No test reaches its host.
OUT_OF_REACH = "yolox-tiny-coco"


def context_with(settings):
    return open_context(to_settings(read_settings(settings)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture
def context(mirror, folder):
    flags = {
        "weights_dir": folder,
        "cache_dir": folder / "cache",
        "mirror": (str(mirror),),
        "attempts": 1,
    }
    return context_with(flags)


@pytest.fixture
def one_at_a_time(folder):
    spec = ModelSpec(
        name="dots",
        family=Family.PUBLIC,
        path=folder / "model.yml",
        description="",
        task="human_pose_estimation",
        framework=Framework.DLDT,
        license=License(),
        files=(),
        inputs=(),
        outputs=(),
        decoder=Decoder("heatmap"),
    )
    return spec, {"dots": dots_network(folder)}


def test_the_default_detector_is_found_beside_another_registry(one_at_a_time, tmp_path):
    (tmp_path / "mine" / "public").mkdir(parents=True)
    settings = {"models_dir": (str(tmp_path / "mine"),), "weights_dir": tmp_path / "out"}
    context = context_with(settings)
    detector = resolve_pipeline(one_at_a_time[0], context).detector
    assert detector.name == DEFAULT_DETECTOR
    part = context.registry.parts(detector)[0]
    own = context_with({"weights_dir": tmp_path / "out"})
    (found,) = {
        resolve_model(part, (Precision.FP16,), each).decoder.name for each in (context, own)
    }
    assert found == "nanodet"


def test_a_pair_that_was_never_measured_says_so(tmp_path):
    context = context_with({"weights_dir": tmp_path})
    model = context.registry.find("rtmpose-s")
    assert resolve_pipeline(model, context).doubt == ""
    assert resolve_pipeline(model, asked(context, "none")).doubt == ""
    pipeline = resolve_pipeline(model, asked(context, DETECTOR))
    assert pipeline.limits == PairLimits()
    assert pipeline.doubt.startswith(f"rtmpose-s was not measured with {DETECTOR}: its AP")
    limits = PairLimits(0.35, 0.15)
    people = replace(model.people, detectors={DETECTOR: limits})
    measured = resolve_pipeline(replace(model, people=people), asked(context, DETECTOR))
    assert (measured.doubt, measured.limits) == ("", limits)


@pytest.mark.parametrize(("own", "least"), [(None, 0.99), (0.2, 0.0)])
def test_the_limits_of_a_pair_replace_those_of_each_unless_the_user_has_one(
    tmp_path, one_at_a_time, own, least
):
    spec, irs = one_at_a_time
    box = (0.3, 0.3, 0.6, 0.6)
    detector = replace(spec, name="boxes", task="detection", decoder=Decoder("detection"))
    people = People("boxes", "boxes", detectors={"boxes": PairLimits(0.3, 0.99)})
    pipeline = PipelineSpec(replace(spec, people=people), people=people, detector=detector)
    irs = {**irs, "boxes": boxes_network(tmp_path, (*box, 0.4))}
    decoder_options = {} if own is None else {"min_pose_score": own}
    estimator = load.compile_pipeline(pipeline, irs, LoadOptions(decoder_options=decoder_options))
    assert estimator._pipeline._least_score == least
    assert estimator._pipeline._detector.min_person_score == 0.3


def test_a_hint_names_only_models_of_the_registry_in_use(tmp_path):
    write_model(tmp_path / "mine", "dots", model_yml())
    settings = {"models_dir": (str(tmp_path / "mine"),), "weights_dir": tmp_path}
    context = context_with(settings)
    spec = context.registry.find("dots")
    estimator = SimpleNamespace(
        model=spec, people_from=WHOLE_IMAGE, finds_people=True, decoder="heatmap"
    )
    text = advice.explain_no_people(estimator, context, None)
    assert text.endswith("try a photo in which people are larger")
    with pytest.raises(UnknownModelError, match="this registry has no default"):
        default_names(context)
    for name in ("movenet-thunder", "pose-fast", "blazepose-*"):
        with pytest.raises(UnknownModelError) as caught:
            context.registry.matching(name)
        assert caught.value.hint == "the registry posezoo has it: --registry posezoo"


def asked(context, detector):
    return replace(context, settings=replace(context.settings, detector=detector))


def compile_file(xml, context):
    """Compile an IR that no model.yml describes."""
    return load.Loader(context).compile_file(find_subject(f"{xml}", context), LoadOptions())


def compile_with(context, spec, irs, options=None):
    """Compile a model with the detector that the context names."""
    pipeline = resolve_pipeline(spec, context)
    options = options or LoadOptions(load.default_runtime(context.settings))
    return load.compile_pipeline(pipeline, load.get_detector_irs(pipeline, context) | irs, options)


def test_a_model_computes_in_bf16_if_it_declares_it_and_the_cpu_has_it(one_at_a_time):
    spec, irs = one_at_a_time
    has_bf16 = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    declaring = replace(spec, compute_types=("bf16",))

    def computed_in(model, irs, asked):
        runtime = RuntimeConfig(inference_precision=asked)
        return load_estimator(model, irs, LoadOptions(runtime)).executed_precision

    assert computed_in(declaring, irs, "declared") == ("bf16" if has_bf16 else "f32")
    assert computed_in(spec, irs, "declared") == computed_in(declaring, irs, "f32") == "f32"
    xml = irs[spec.name]
    int8 = xml.parent / Precision.FP16_INT8 / xml.name
    int8.parent.mkdir(exist_ok=True)
    for suffix in (".xml", ".bin"):
        shutil.copy(xml.with_suffix(suffix), int8.with_suffix(suffix))
    assert computed_in(declaring, {spec.name: int8}, "declared") == "f32"


def test_whether_a_model_tracks_is_known_before_it_is_compiled(context):
    declared = context.registry.find(MOVENET)
    own = get_irs(declared, Precision.FP16, context)
    following = replace(declared, people=People(BLAZEPOSE, TRACKING))
    for spec, named, tracks in (
        (declared, "none", True),
        (declared, BLAZEPOSE, False),
        (following, "usual", True),
        (following, BLAZEPOSE, False),
    ):
        of = asked(context, named)
        pipeline = resolve_pipeline(spec, of, is_video=True)
        irs = load.get_detector_irs(pipeline, of) | own
        estimator = load.compile_pipeline(pipeline, irs, LoadOptions(), is_video=True)
        assert load.tracks_people(pipeline, irs) == estimator.can_track == tracks
        assert estimator.requests == 1


@pytest.fixture
def npm_context(npm_mirror, folder):
    """A context whose mirror has the default detector, too."""
    flags = {"weights_dir": folder, "mirror": (str(npm_mirror),), "attempts": 1}
    return context_with(flags)


def test_if_the_host_of_a_detector_is_dead_the_default_one_finds_the_people(npm_context):
    spec = replace(npm_context.registry.find(MOVENET), people=People(OUT_OF_REACH, OUT_OF_REACH))
    events = []
    prepared = load.Loader(npm_context, listener=events.append).prepare(Subject(model=spec))
    assert prepared.compile().people_from == DEFAULT_DETECTOR
    (warned,) = [
        event.message
        for event in events
        if isinstance(event, WarningIssued) and "instead" in event.message
    ]
    assert warned.startswith(
        f"{DEFAULT_DETECTOR} finds the people instead: the person detector {OUT_OF_REACH}: "
    )


def test_a_detector_that_the_user_named_is_not_replaced(npm_context):
    named = asked(npm_context, OUT_OF_REACH)
    spec = named.registry.find(MOVENET)
    with pytest.raises(DownloadError) as caught:
        load.Loader(named).prepare(find_subject(spec.name, named, Statement(detector=OUT_OF_REACH)))
    assert caught.value.problem.startswith(f"the person detector {OUT_OF_REACH}: ")


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP16_INT8])
def test_an_ir_in_any_folder_finds_the_people_that_its_model_finds(
    npm_context, shared, tmp_path, precision
):
    """Of the photos, there are two in which the default detector finds nobody."""
    model = npm_context.registry.find(MOVENET_THUNDER)
    said = Statement(precision=precision)
    named = load.Loader(npm_context).prepare(Subject(said=said, model=model))
    for suffix in (".xml", ".bin"):
        shutil.copy(named.irs[MOVENET_THUNDER].with_suffix(suffix), tmp_path / f"net{suffix}")
    estimator = named.compile()
    alone = compile_file(tmp_path / "net.xml", npm_context)
    assert alone.detector_precision == estimator.detector_precision == precision
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))
    from_whole_image = 0
    for photo in photos:
        poses = estimator(photo)
        from_whole_image += sum(pose.people_from == WHOLE_IMAGE for pose in poses)
        assert [pose.to_json() for pose in alone(photo)] == [pose.to_json() for pose in poses]
    assert from_whole_image


def test_an_exported_pipeline_finds_people_with_the_detector_beside_it(
    npm_context, npm_mirror, shared, tmp_path
):
    succeeded(
        posezoo_command(
            *("export", MOVENET_THUNDER, "--to", "cpp", tmp_path / "out", "--quiet"),
            *("--weights_dir", npm_context.layout.output_dir, "--mirror", npm_mirror),
        )
    )
    xml = tmp_path / "out" / "models" / f"{MOVENET_THUNDER}.xml"
    # A name that no registry has: the file is enough.
    for path in xml.parent.glob(f"{DEFAULT_DETECTOR}.[xb]*"):
        path.rename(path.with_stem("mine"))
    text = xml.read_text("utf-8")
    xml.write_text(text.replace(f"{DEFAULT_DETECTOR}.xml", "mine.xml"), "utf-8")
    nothing = {"weights_dir": tmp_path / "empty", "cache_dir": tmp_path / "empty"}
    nowhere = context_with(nothing)
    alone = compile_file(xml, nowhere)
    assert [network.path.parent for network in alone.networks] == [xml.parent] * 2
    thunder = npm_context.registry.find(MOVENET_THUNDER)
    estimator = load.Loader(npm_context).prepare(Subject(model=thunder)).compile()
    people_count = 0
    for photo in sorted((shared / "data" / "photos").glob("*.jpg")):
        for pose, other in zip(alone(photo), estimator(photo), strict=True):
            people_count += 1
            assert pose.people_from == other.people_from
            np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.1)
    assert people_count > 20


def test_an_ir_alone_has_its_detector_fetched(context, one_at_a_time):
    (xml,) = one_at_a_time[1].values()
    assert compile_file(xml, asked(context, BLAZEPOSE)).people_from == BLAZEPOSE


def test_who_sees_one_person_at_a_time_is_no_detector(context, one_at_a_time):
    with pytest.raises(InferenceError, match=f"{MOVENET} is not a detector"):
        resolve_pipeline(one_at_a_time[0], asked(context, MOVENET))


def test_load_takes_the_name_of_a_detector_or_none(mirror, folder, shared):
    where = {"weights_dir": folder, "cache_dir": folder / "cache", "mirror": (str(mirror),)}
    photo = images.read_image(shared / "data" / "photos" / "000000000785.jpg")
    named, none = (posezoo.load(MOVENET, **where, detector=said) for said in (DETECTOR, None))
    assert (named.people_from, none.people_from) == (DETECTOR, WHOLE_IMAGE)
    (skier,) = named(photo)
    assert skier.score > 0.4
    (by_hand,) = none(photo, boxes=[skier.box])
    assert by_hand.score > 0.4


def test_a_detector_has_its_own_options_and_the_minimum_score(context, one_at_a_time, mirror):
    spec, irs = one_at_a_time
    context = asked(context, BLAZEPOSE)
    small = cv2.resize(
        images.read_image(by_digest(mirror, ASTRONAUT)), (112, 112), interpolation=cv2.INTER_AREA
    )
    scene = np.full((600, 800, 3), 128, np.uint8)
    # BlazePose alone does not find it: only as a detector it sees quarters.
    scene[440:552, 640:752] = small
    runtime = load.default_runtime(context.settings)
    for least, people in ((None, 1), (0.3, 1), (0.9999, 0)):
        options = LoadOptions(runtime, min_person_score=least)
        assert len(compile_with(context, spec, irs, options)(scene)) == people
    with pytest.raises(InferenceError, match="dots finds one person in every image") as caught:
        options = LoadOptions(runtime, min_person_score=0.3)
        compile_with(asked(context, "none"), spec, irs, options)
    assert caught.value.hint == "--min_person_score is for a person detector"


def test_load_refuses_a_detector_for_who_finds_people_itself(mirror, folder, tmp_path):
    finds_itself = (
        "human-pose-estimation-0001 processes whole images: it takes neither boxes nor a detector"
    )
    where = {"weights_dir": tmp_path, "cache_dir": folder / "cache", "mirror": (str(mirror),)}
    openpose = partial(posezoo.load, "human-pose-estimation-0001", "FP16-INT8", **where)
    with pytest.raises(InferenceError, match=finds_itself):
        openpose(detector=DETECTOR)
    assert not list(tmp_path.iterdir())  # nothing was fetched for it
    sizes = {openpose(**said).input_size for said in ({}, {"detector": None}, {"detector": ""})}
    assert sizes == {(656, 368)}  # the size that it was published with
    xml = next(tmp_path.rglob("human-pose-estimation-0001.xml"))
    with pytest.raises(InferenceError, match=finds_itself):
        posezoo.load(xml, detector=DETECTOR, **where)


@pytest.fixture
def quantized_zoo(npm_mirror, tmp_path):
    """Flags for a zoo without ranges, with the default model in INT8, and its detector only in FP16."""
    models = tmp_path / "registry" / "models"
    for name in (MOVENET_THUNDER, DEFAULT_DETECTOR):
        folder = builtin_models_dir() / "public" / name
        text = (folder / "model.yml").read_text("utf-8")
        (models / "public" / name).mkdir(parents=True)
        (models / "public" / name / "model.yml").write_text(
            text.partition("int8_ranges:")[0], "utf-8"
        )
        shutil.copy(folder / "recorded_outputs.safetensors", models / "public" / name)
    shutil.copytree(builtin_models_dir().parent / "licenses", models.parent / "licenses")
    flags = [*("--models_dir", models, "--weights_dir", tmp_path / "zoo", "--mirror", npm_mirror)]
    succeeded(
        posezoo_command("get", MOVENET_THUNDER, DEFAULT_DETECTOR, "--precisions", "FP16", *flags)
    )
    pretend_quantized(tmp_path / "zoo", MOVENET_THUNDER)
    return flags


def pretend_quantized(zoo, model):
    """Put FP16 where ``posezoo quantize`` writes INT8."""
    folder = zoo / "public" / model
    shutil.copytree(folder / "FP16", folder / "FP16-INT8")


def test_the_int8_of_the_detector_runs_with_int8_where_it_was_made(quantized_zoo, shared, tmp_path):
    photos = shared / "data" / "photos"
    flags = (MOVENET_THUNDER, *quantized_zoo)

    def run(precision):
        given = (
            "--precision",
            precision,
            "-i",
            photos / "000000000785.jpg",
            "-o",
            tmp_path / "out",
        )
        ran = succeeded(posezoo_command("run", *flags, *given))
        return ran.stdout

    def evaluate(*named):
        given = ("--images", photos, "--limit", 1, "--format", "json")
        where = ("--annotations", photos / "person_keypoints.json", "-o", tmp_path / "evaluation")
        named = named or (MOVENET_THUNDER, "--precision", "FP16-INT8")
        evaluated = succeeded(
            posezoo_command("evaluate", *named, *quantized_zoo, *given, *where, "--force")
        )
        return json_of(evaluated)["settings"]

    assert f"people from {DEFAULT_DETECTOR} (FP16)\n" in run("FP16-INT8")
    assert "detector_precision" not in evaluate()
    pretend_quantized(tmp_path / "zoo", DEFAULT_DETECTOR)
    assert f"people from {DEFAULT_DETECTOR} (FP16-INT8)\n" in run("FP16-INT8")
    assert f"people from {DEFAULT_DETECTOR} (FP16)\n" in run("FP16")
    assert evaluate()["detector_precision"] == "FP16-INT8"
    # The INT8 IR of another network changes no other.
    made = tmp_path / "zoo" / "public" / MOVENET_THUNDER / "FP16-INT8" / f"{MOVENET_THUNDER}.xml"
    mine = tmp_path / "FP16-INT8" / "mine.xml"
    mine.parent.mkdir()
    text = made.read_text("utf-8")
    mine.write_text(text.replace(f'model value="{MOVENET_THUNDER}"', 'model value="mine"'), "utf-8")
    shutil.copy(made.with_suffix(".bin"), mine.with_suffix(".bin"))
    assert "detector_precision" not in evaluate(mine)
    short = ("--seconds", "0.02", "--num_infer_requests", "1", "--precisions", "FP16,FP16-INT8")
    measured = posezoo_command("benchmark", "--pipeline", *flags, *short, "--format", "json")
    settings = [row["settings"] for row in json_of(measured)["measurements"]]
    assert [each.get("detector_precision") for each in settings] == [None, "FP16-INT8"]
    where = {"weights_dir": tmp_path / "zoo"}
    loaded = posezoo.load(MOVENET_THUNDER, precision="FP16-INT8", **where)
    assert (loaded.people_from, loaded.detector_precision) == (DEFAULT_DETECTOR, "FP16-INT8")
    # The detector has other weights now.
    record = tmp_path / "zoo" / "public" / DEFAULT_DETECTOR / "FP16-INT8" / "provenance.json"
    content = read_json(record)
    sources = content["key"]["sources"]
    content["key"]["sources"] = dict.fromkeys(sources, f"sha384:{'0' * 96}")
    record.write_text(json.dumps(content))
    assert f"people from {DEFAULT_DETECTOR} (FP16)\n" in run("FP16-INT8")


def test_the_int8_that_others_published_of_a_detector_is_not_taken(context):
    """That of person-detection-retail-0013 finds hundreds of people where nobody is."""
    detector = context.registry.find(DETECTOR)
    assert Precision.FP16_INT8 in detector.precisions
    int8 = context.layout.ir_path(detector, Precision.FP16_INT8)
    int8.parent.mkdir(parents=True, exist_ok=True)
    int8.touch()
    assert not is_quantized_here(detector, Precision.FP16_INT8, context)
    model = context.registry.find(MOVENET)
    named = asked(context, DETECTOR)
    pipeline = resolve_pipeline(model, named, Precision.FP16_INT8)
    assert pipeline.detector_precision is Precision.FP16
