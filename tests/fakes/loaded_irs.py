"""IR without a model.yml, loaded alone, without a detector."""

from pathlib import Path

from posezoo.run.runtime.decoder_matching import describe_ir
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.graph import Graph, read_graph
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions


def load_ir(
    xml: Path | Graph, decoder: str | None = None, options: LoadOptions | None = None
) -> Estimator:
    """The IR; ``decoder`` and ``options`` as for ``describe_ir``."""
    graph = read_graph(xml)
    model, description = describe_ir(graph, decoder, options=options)
    return load_estimator(model, {model.name: graph}, options, description=description)
