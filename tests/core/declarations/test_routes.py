import pytest

from fakes.network import network, spec_of
from posezoo.core.declarations import routes
from posezoo.core.declarations.model import Route
from posezoo.core.declarations.routes import Obstacle, describe_obstacle, select_route


def way(tmp_path, **changes):
    route, obstacle = select_route(spec_of(network("pb"), tmp_path, **changes))
    return route, obstacle.reason if obstacle is not None else ""


PIPELINE = "--tensorflow_object_detection_api_pipeline_config"
CONFIG = "--transformations_config"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"mo_args": ((CONFIG, "a.json"), (PIPELINE, "b"))},
            (Route.MO, "object-detection-pipeline"),
        ),
        (
            {"mo_args": ((CONFIG, "$mo_dir/a/efficient_det.json"), (PIPELINE, "$dl_dir/b"))},
            (Route.MO, "object-detection-pipeline"),
        ),
        (
            {"mo_args": ((CONFIG, "$mo_dir/a/ssd_v2_support.json"),)},
            (Route.MO, "transformations-config"),
        ),
        # Model Optimizer itself could begin only once upstream's code has run.
        (
            {"mo_args": ((CONFIG, "a.json"),), "has_pre_convert": True},
            (Route.UPSTREAM_CODE, "pre-convert"),
        ),
        ({"input_model": "$dl_dir/net.pbtxt"}, (Route.MO, "graph-as-text")),
        ({"mo_args": (("--batch", "2"),)}, (Route.MO, "argument")),
    ],
)
def test_the_declared_facts_decide_the_route(tmp_path, changes, expected):
    assert way(tmp_path, **changes) == expected


def test_why_not_is_one_line_with_the_word_and_a_hint():
    obstacles = [value for value in vars(routes).values() if isinstance(value, Obstacle)]
    assert len(obstacles) == 7
    for obstacle in (*obstacles, *routes._UNREADABLE.values()):
        assert obstacle.reason == obstacle.reason.lower().replace(" ", "-")
        assert obstacle.why, obstacle
        assert obstacle.hint, obstacle


def test_the_arguments_in_the_way_are_named_once(tmp_path):
    spec = spec_of(network("pb"), tmp_path, mo_args=(("--batch", "2"), ("--batch", "3")))
    route, obstacle = select_route(spec)
    assert obstacle is not None
    assert describe_obstacle(spec, route, obstacle) == (
        "tiny-pose: cannot be converted here (mo, argument): "
        "posezoo does not support an argument of its model.yml: --batch"
    )
