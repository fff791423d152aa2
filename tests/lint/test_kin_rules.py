"""A paper and a decoder's convention are compared with those of models of the same kind."""

import shutil
from pathlib import Path

import pytest

from posezoo.core.registry import Registry
from posezoo.lint.registry_view import RegistryView
from posezoo.lint.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]
RULES = ("paper-of-another", "unlike-siblings", "license-kind", "license-name")


@pytest.fixture
def models(tmp_path):
    """Some of our models, without their pages."""
    shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
    for name in ("rtmdet-m", "rtmdet-nano", "rtmo-m", "rtmo-l", "hrnet-w32", "hrnet-w48-384x288", "vitpose-base",
                 "vitpose-plus-base", "rf-detr-keypoint", "yolox-s-coco"):  # fmt: skip
        folder = tmp_path / "models" / "public" / name
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "models" / "public" / name / "model.yml", folder)
    shutil.copy(ROOT / "models" / "papers.yml", tmp_path / "models")
    return tmp_path / "models"


def find(models, model="", old="", new=""):
    """The rules with findings in a model after a change."""
    if model:
        path = models / "public" / model / "model.yml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
    views = list(RegistryView(Registry([models])).select([model] if model else None))
    assert views
    return {rule for rule in RULES for view in views if any(load_rules()[rule].find(view))}


def test_what_is_right_is_no_finding(models):
    assert find(models) == set()


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("rtmdet-m", "2212.07784", "2312.07526"),  # of the same repository; its kin has its own
        ("rtmo-l", "2312.07526", "1902.09212"),
        ("hrnet-w32", "1902.09212", "2212.04246"),
        ("rf-detr-keypoint", "2511.09554", "2107.08430"),  # without kin, from other hands
    ],
)
def test_the_paper_of_another_design_is_found(models, model, old, new):
    assert find(models, model, old, new) == {"paper-of-another"}


def test_a_paper_that_the_description_names_is_not_of_another(models):
    find(models, "rtmdet-m", "RTMDet-m", "RTMDet-m, of RTMO")
    assert find(models, "rtmdet-m", "2212.07784", "2312.07526") == set()


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("hrnet-w32", "convention: quarter", "convention: udp"),
        ("vitpose-plus-base", "convention: udp", "convention: quarter"),
        ("vitpose-base", "convention: udp, ", ""),
    ],
)
def test_another_convention_than_in_the_same_network_is_found(models, model, old, new):
    assert find(models, model, old, new) == {"unlike-siblings"}


def test_a_license_of_the_gpl_family_fits_its_own_text(models):
    text = "Copyright 2026 Us\n\nGNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007\n"
    (models.parent / "licenses" / "GPL.txt").write_text(text, "utf-8")
    right = "{spdx: GPL-3.0-or-later, text: GPL.txt}"
    old = "{spdx: Apache-2.0, text: Apache-2.0-OpenMMLab.txt}"
    assert find(models, "rtmo-m", old, right) == set()
    assert find(models, "rtmo-m", "GPL-3.0-or-later", "AGPL-3.0-only") == {"license-kind"}
