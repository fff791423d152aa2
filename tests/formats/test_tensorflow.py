"""Frozen graphs of TensorFlow are cut before OpenVINO reads them."""

from fakes.network import network
from posezoo.core.convert.protobuf_reader import read_fields
from posezoo.formats.tensorflow import cut_graph


def test_a_cut_graph_has_only_what_its_ends_need(tmp_path):
    path = tmp_path / "net.pb"
    path.write_bytes(network("pb"))

    def names(content):
        nodes = [content[field.start : field.end] for field in read_fields(content)]
        first_fields = [next(iter(read_fields(node))) for node in nodes]
        return [
            node[field.start : field.end] for node, field in zip(nodes, first_fields, strict=True)
        ]

    whole = names(path.read_bytes())
    cut = names(cut_graph(path, ["pafs"], {}))
    assert b"pafs" in cut
    assert b"heatmaps" in whole
    assert b"heatmaps" not in cut
    assert names(cut_graph(path, ["pafs", "heatmaps"], {})) == whole
