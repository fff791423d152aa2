"""The reader of skeletons: from a YAML file, model.yml, or the metadata of an IR."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

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


def _pair_of(joint: FieldType[Any]) -> FieldType[tuple[Any, Any]]:
    def read(node: YamlNode) -> tuple[Any, Any]:
        nodes = node.as_list()
        if len(nodes) != 2 or nodes[0].value == nodes[1].value:
            raise node.make_error("expected two different keypoints")
        return joint.read(nodes[0]), joint.read(nodes[1])

    schema = {"type": "array", "items": joint.schema, "minItems": 2, "maxItems": 2}
    return FieldType(read, schema)


_KEYPOINTS = required_key("keypoints", list_of(WORD, unique=str), "In the order of the network.")


def _keys(joint: FieldType[Any]) -> tuple[Key, ...]:
    """The keys of a skeleton, whose keypoints are read by this type."""
    pair = _pair_of(joint)
    field = record(
        LimbField,
        required_key("limb", pair, "Where it starts and ends."),
        required_key("channel", integer(0, 10_000), "The first of its two channels."),
        Key("length", positive(1.0), "Relative to the body's height; used if all limbs have one."),
    )
    return (
        _KEYPOINTS,
        Key("limbs", list_of(list_of(joint)), "Chains of keypoints, which drawings connect."),
        Key("flips", list_of(pair), "Left and right, if the names do not say left and right."),
        Key("sigmas", list_of(positive(1.0)), "For each keypoint; by default COCO's, by the name."),
        Key("fields", list_of(field), "OpenPose: the part affinity field of each limb."),
    )


def _read(node: YamlNode) -> Skeleton:
    keypoints = _KEYPOINTS.type.read(node.as_mapping(names_of(_keys(WORD)))[_KEYPOINTS.name])
    index = {keypoint: place for place, keypoint in enumerate(keypoints)}
    joint = FieldType(lambda name: index[name.choice(index)], WORD.schema)
    values = read_keys(node.as_mapping(), _keys(joint))
    limbs = [pair for chain in values.get("limbs", ()) for pair in pairwise(chain)]
    flips = values.get("flips", ())
    for place, times in Counter(chain.from_iterable(flips)).items():
        if times > 1:
            problem = f"{keypoints[place]} is in {times} pairs: each keypoint has one partner"
            raise node.as_mapping()["flips"].make_error(problem)
    partners = dict(flips)
    for left, place in index.items():
        right = index.get(left.replace("left", "right"), place)
        if right not in (place, *partners.values()):
            partners.setdefault(place, right)
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
SKELETON: FieldType[Skeleton] = FieldType(_read, mapping_schema(_keys(WORD)))


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
