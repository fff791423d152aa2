"""The rows of outputs that two runtimes must compute alike: those of people, and not padding."""

from __future__ import annotations

from posezoo.core.arrays import NamedArrays
from posezoo.core.convert.feature_steps import ComparedRows
from posezoo.core.declarations.model import ModelSpec
from posezoo.poses.decoders import DECODERS


def select_compared_rows(spec: ModelSpec, outputs: NamedArrays) -> NamedArrays:
    """Outputs by name, with only the rows that the model's decoder compares between runtimes; all,
    if it compares outputs as a whole, or the model declares no roles.
    """
    decoder = spec.decoding.decoder if spec.decoding else spec.decoder
    record = DECODERS.find(decoder.name) if decoder is not None else None
    roles = {port.role: port.name for port in spec.outputs if port.name in outputs}
    if record is None or record.find_rows is None:
        return outputs
    if any(output.role not in roles for output in record.networks[-1]):
        return outputs
    rows = record.find_rows({role: outputs[name] for role, name in roles.items()})
    selected = {name: outputs[name][:, rows] for name in roles.values()}
    return {**outputs, **selected}


class _PeopleRows(ComparedRows):
    select = staticmethod(select_compared_rows)


PEOPLE_ROWS = _PeopleRows()
