"""The reader of skeletons: from a YAML file, model.yml, or the metadata of an IR."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

from posezoo.core.declarations.field_types import (
    WORD,
    FieldType,
    Key,
    integer,
    list_of,
    mapping_schema,
    names_of,
    positive,
    read_keys,
    record,
    required_key,
)
from posezoo.core.declarations.safe_names import explain_invalid_model_name
from posezoo.core.declarations.skeleton import LimbField, Skeleton
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml
from posezoo.core.errors import SpecError

_KEYPOINTS = required_key("keypoints", list_of(WORD, unique=str), "In the order of the network.")


def _read_joint(node: YamlNode) -> int:
    above = node
    while not isinstance(above.value, dict) or _KEYPOINTS.name not in above.value:
        assert above.parent
        above = above.parent
    keypoints = [f"{each.value}" for each in above.value[_KEYPOINTS.name].as_list()]
    return keypoints.index(node.choice(keypoints))


def _read_pair(node: YamlNode) -> tuple[int, int]:
    nodes = node.as_list()
    if len(nodes) != 2 or nodes[0].value == nodes[1].value:
        raise node.make_error("expected two different keypoints")
    return _read_joint(nodes[0]), _read_joint(nodes[1])


_JOINT = FieldType(_read_joint, WORD.schema)
_PAIR_SCHEMA = {"type": "array", "items": WORD.schema, "minItems": 2, "maxItems": 2}
_PAIR = FieldType(_read_pair, _PAIR_SCHEMA)
_FIELD = record(
    LimbField,
    required_key("limb", _PAIR, "Where it starts and ends."),
    required_key("channel", integer(0, 10_000), "The first of its two channels."),
    Key("length", positive(1.0), "Relative to the body's height; used if all limbs have one."),
)
_KEYS = (
    _KEYPOINTS,
    Key("limbs", list_of(list_of(_JOINT)), "Chains of keypoints, which drawings connect."),
    Key("flips", list_of(_PAIR), "Left and right, if the names do not say left and right."),
    Key("sigmas", list_of(positive(1.0)), "For each keypoint; by default COCO's, by the name."),
    Key("fields", list_of(_FIELD), "OpenPose: the part affinity field of each limb."),
)
_NAMES = names_of(_KEYS)


def _read(node: YamlNode) -> Skeleton:
    values = read_keys(node.as_mapping(_NAMES), _KEYS)
    keypoints = values["keypoints"]
    index = {keypoint: place for place, keypoint in enumerate(keypoints)}
    limbs = [pair for chain in values.get("limbs", ()) for pair in pairwise(chain)]
    flips = values.get("flips", ())
    for place, times in Counter(chain.from_iterable(flips)).items():
        if times > 1:
            problem = f"{keypoints[place]} is in {times} pairs: each keypoint has one partner"
            raise node.as_mapping()["flips"].make_error(problem)
    partners = dict(flips)
    for left, place in index.items():
        right = index.get(left.replace("left", "right"), place)
        paired = {*partners, *partners.values()}
        if right != place and paired.isdisjoint((place, right)):
            partners[place] = right
    sigmas = values.get("sigmas", ())
    if sigmas and len(sigmas) != len(keypoints):
        problem = f"expected {len(keypoints)} numbers, one for each keypoint, got {len(sigmas)}"
        raise node.as_mapping()["sigmas"].make_error(problem)
    return Skeleton(
        "",
        keypoints,
        limbs=tuple(limbs),
        flip_pairs=tuple(partners.items()),
        sigmas=sigmas,
        fields=values.get("fields", ()),
    )


#: A skeleton without its name, which is that of its file.
SKELETON: FieldType[Skeleton] = FieldType(_read, mapping_schema(_KEYS))


def read_skeleton(path: Path) -> Skeleton:
    """The skeleton in a YAML file, which has the name of the file.

    Raises:
        SpecError: it cannot be read, or has a mistake; with its position.
    """
    reason = explain_invalid_model_name(path.stem)
    if reason:
        problem = f"the file's name, {path.stem}, is not a name of a skeleton: {reason}"
        raise SpecError(str(path), 1, 1, "", problem=problem, hint="rename the file")
    return replace(SKELETON.read(read_yaml(path)), name=path.stem)


def parse_skeleton(name: str, text: str, file: str) -> Skeleton:
    """The skeleton in a text of ``Skeleton.to_json``; ``file`` is its name in a SpecError."""
    return replace(SKELETON.read(parse_yaml(text.encode(), file)), name=name)
