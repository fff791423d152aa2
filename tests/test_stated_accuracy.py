"""An AP that a page states is what the command beside it gives."""

import json
import re

import pytest

from fakes.checkout import ROOT
from fakes.command import posezoo_process, printed
from fakes.fence import ONLINE
from fakes.processor import HAS_BF16_WITHOUT_AMX, HAS_VNNI, HAS_VNNI_WITHOUT_AMX, needs_vnni
from posezoo.core.declarations.model import ITSELF, Precision
from posezoo.core.registry import open_registry

REGISTRY = open_registry()

#: Of a row such as ``| [movenet-thunder](...) (FP16-INT8) at 480 | 19.1 MB | ... | 0.426 (0.291 to 0.627), people from
#: nanodet-g | ...``.
ROW = re.compile(
    r"^\| \[([\w.-]+)\]\([^)]*\)(?: \((FP16-INT8)\))?(?: at (\d+))? \|[^|]*\|[^|]*"
    r"\| (0\.\d{3}) \([^)]*\)(?:, people from ([\w ()-]+))? \|",
    re.MULTILINE,
)

#: How far the AP of one INT8 IR may differ between processors: 0.002 was seen among those with VNNI,
#: 0.007 with AMX, and 0.011 without VNNI.
INT8_TOLERANCE = 0.003 if HAS_VNNI_WITHOUT_AMX else 0.008 if HAS_VNNI else 0.012

#: How far it may differ between a CPU that computes in bf16 and others: 0.010 was seen.
BF16_TOLERANCE = 0.012


def stated_pairs():
    """Model, precision, height (empty for the declared one), people from, and AP of each row of the
    index that we measured.
    """
    text = (ROOT / "models" / "index.md").read_text("utf-8")
    poses = text.partition("\n## Human pose estimation\n")[2].partition("\n## ")[0]
    return [
        (REGISTRY.find(name), Precision(precision or "FP16"), height, people or ITSELF, ap)
        for name, precision, height, ap, people in ROW.findall(poses)
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the models are made, once: several take their people from the same detector."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def evaluate(npm_mirror, shared, cache, tmp_path):
    """The answer of ``evaluate`` on the 17 photos."""
    photos = shared / "data" / "photos"
    data = ("--annotations", photos / "person_keypoints.json", "--images", photos)
    # Which is read in place of the user's.
    (tmp_path / "posezoo.cfg").touch()

    def run(*words, **environ):
        # A process of its own: two models come from the user's npm registry, which the process of the tests cannot reach.
        output = printed(
            posezoo_process(
                *("evaluate", *words, "--format", "json", *data, "--output", tmp_path / "out"),
                cwd=tmp_path,
                **(ONLINE | environ),
                POSEZOO_MIRROR=str(npm_mirror),
                XDG_CACHE_HOME=str(cache),
            )
        )
        return json.loads(output)

    return run


@pytest.mark.parametrize(
    ("model", "precision", "height", "people", "ap"),
    [pytest.param(*pair, id=f"{pair[0].name}-{pair[1]}{pair[2]}") for pair in stated_pairs()],
)
def test_the_command_gives_the_ap_that_the_page_states(
    evaluate, model, precision, height, people, ap
):
    if "int8" in model.name and not HAS_VNNI:
        pytest.skip("needs a CPU with VNNI")
    size = ("--height", height) if height else ()
    words = (model.name, "--precision", precision, *size)
    answer = evaluate(*words, POSEZOO_INFERENCE_PRECISION="declared")
    assert answer["people_from"] == people.partition(" (")[0]
    is_exact = "bf16" not in model.compute_types or HAS_BF16_WITHOUT_AMX
    tolerance = INT8_TOLERANCE if "INT8" in precision else 0.0005 if is_exact else BF16_TOLERANCE
    assert answer["AP"] == pytest.approx(float(ap), abs=tolerance)


def stated_detectors():
    """Where people come from, and the AP in their boxes, in the table of person detectors."""
    page = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    text = page.partition("\n## Person detectors\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([\w -]+) \| (0\.\d{3}) \(", text, re.MULTILINE)


@needs_vnni
@pytest.mark.parametrize(("people", "ap"), stated_detectors())
def test_the_command_gives_the_ap_in_the_boxes_of_a_detector(evaluate, people, ap):
    flags = {
        "the annotated boxes": ("--boxes", "truth"),
        "the whole image": ("--detector", "none"),
    }.get(people, ("--detector", people))
    answer = evaluate("movenet-singlepose-lightning-int8", *flags)
    assert (answer["people_from"], answer["precision"]) == (people, "FP16")
    assert answer["AP"] == pytest.approx(float(ap), abs=0.0005)
