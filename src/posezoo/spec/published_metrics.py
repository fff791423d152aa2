"""What a publisher states about a model: its accuracy, its size, and how it was trained."""

from __future__ import annotations

from posezoo.spec.field_types import BOOLEAN, LINE, Key, list_of, one_of, positive, record
from posezoo.spec.model import PublishedAccuracy, PublishedMetrics, Training
from posezoo.spec.source_files import WEB_URL
from posezoo.spec.yaml_nodes import YamlMapping

#: The largest plausible value by metric: AP is a fraction, MPJPE is in millimetres.
METRICS = {"AP": 1.0, "MPJPE": 10_000.0}
MAX_COMPLEXITY = 1e9

_SHARE, _VALUE = positive(METRICS["AP"]), positive(max(METRICS.values()))


def _check_values(fields: YamlMapping, accuracy: PublishedAccuracy) -> None:
    for name in ("value", "converted"):
        if (node := fields.get(name)) is not None:
            positive(METRICS[accuracy.metric]).read(node)


ACCURACY = record(
    PublishedAccuracy,
    Key("metric", one_of(METRICS), required=True),
    Key("value", _VALUE, required=True),
    Key("dataset", LINE),
    Key("protocol", LINE),
    Key("flip", BOOLEAN),
    Key("AP50", _SHARE, attribute="ap50"),
    Key("AP75", _SHARE, attribute="ap75"),
    Key("converted", _VALUE),
    check=_check_values,
)
PUBLISHED = record(
    PublishedMetrics,
    Key("accuracy", list_of(ACCURACY)),
    Key("gflops", positive(MAX_COMPLEXITY)),
    Key("mparams", positive(MAX_COMPLEXITY)),
    Key("known_difference", LINE, note="Why a value is not what the published weights have."),
)
TRAINING = record(Training, Key("command", WEB_URL), Key("log", WEB_URL))
