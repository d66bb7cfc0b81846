"""An ONNX model that was checked against its card and can be run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.detection.model_card import ModelCard, ModelError, file_sha256

MAX_DEFAULT_THREADS = 4
"""Small models gain nothing from more; a Raspberry Pi has four cores."""

_FLOAT, _INT64 = "tensor(float)", "tensor(int64)"


class Session:
    """Runs one model: input (1, 3, height, width) float32 in, raw outputs in the card's order out.

    The same input gives the same bytes, whatever the number of threads and whatever else the machine does.
    """

    def __init__(self, card: ModelCard, threads: int | None = None) -> None:
        path = checked_file(card)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # Threads that wait by spinning burn the core that decodes video and gain nothing at a few frames a second.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own errors have no common class
            raise ModelError(f"{path}: not an ONNX model that can be loaded: {_first_line(error)}") from error
        _check_inputs(card, path, self._session.get_inputs())
        _check_outputs(card, path, self._session.get_outputs())
        self._outputs = [output.name for output in card.outputs]
        self._input = card.input.name
        self._extra = {extra.name: np.array([card.input.size], np.int64) for extra in card.extra_inputs}

    def run(self, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The raw outputs for one input, (1, 3, height, width). Raises ``ModelError`` if the model fails on it."""
        try:
            return list(self._session.run(self._outputs, {self._input: blob, **self._extra}))
        except Exception as error:  # the runtime's own errors have no common class
            raise ModelError(f"the model failed to run: {_first_line(error)}") from error


def default_threads() -> int:
    """One per core that this process may use, at most ``MAX_DEFAULT_THREADS``."""
    return min(MAX_DEFAULT_THREADS, len(os.sched_getaffinity(0)))


def checked_file(card: ModelCard) -> Path:
    """The model's file, once its hash was found to be the card's. Raises ``ModelError``."""
    path = card.model_path
    if path is None:
        raise ModelError(
            f"model {card.name!r}: its file {card.file} is not here: fetch it with 'clearway-agent models pull "
            f"{card.name}', or put it into the folder that models_dir names"
        )
    try:
        found = file_sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if found != card.sha256:
        raise ModelError(
            f"{path}: its sha256 is {found}, the card {card.card_path} says {card.sha256}: the file is damaged or "
            f"another one: fetch it again with 'clearway-agent models pull {card.name}'"
        )
    return path


def check_arrays(card: ModelCard, arrays: Sequence[NDArray[np.float32]]) -> None:
    """Raise ``ModelError`` unless the outputs of a run have the shapes of the card."""
    for spec, array in zip(card.outputs, arrays, strict=True):
        if not _fits(spec.shape, array.shape):
            raise ModelError(
                f"{card.card_path}: output {spec.name!r} should have shape {list(spec.shape)}, "
                f"the model gave {list(array.shape)}: correct outputs in the card, or use its own model file"
            )


def _check_inputs(card: ModelCard, path: Path, found: Sequence[onnxruntime.NodeArg]) -> None:
    expected: dict[str, tuple[str, tuple[int, ...]]] = {extra.name: (_INT64, (1, 2)) for extra in card.extra_inputs}
    if card.input.trim_to is None:
        expected[card.input.name] = (_FLOAT, (1, 3, card.input.height, card.input.width))
    else:
        expected[card.input.name] = (_FLOAT, (1, 3, -1, -1))
    names = sorted(item.name for item in found)
    if names != sorted(expected):
        raise ModelError(f"{path}: the model's inputs are {names}, the card {card.card_path} says {sorted(expected)}")
    for item in found:
        kind, shape = expected[item.name]
        closed = item.name == card.input.name and card.input.trim_to is not None and not _is_open(item.shape)
        if item.type != kind or not _fits(shape, item.shape) or closed:
            raise ModelError(
                f"{path}: input {item.name!r} is {item.type} {item.shape}, "
                f"the card {card.card_path} says {kind} {list(shape)}"
            )


def _check_outputs(card: ModelCard, path: Path, found: Sequence[onnxruntime.NodeArg]) -> None:
    shapes = {item.name: item.shape for item in found}
    for spec in card.outputs:
        if spec.name not in shapes:
            raise ModelError(
                f"{path}: the model has no output {spec.name!r}, which the card {card.card_path} names; "
                f"it has {sorted(shapes)}"
            )
        if not _fits(spec.shape, shapes[spec.name]):
            raise ModelError(
                f"{path}: output {spec.name!r} has shape {shapes[spec.name]}, "
                f"the card {card.card_path} says {list(spec.shape)}"
            )


def _fits(expected: Sequence[int], found: Sequence[int | str | None]) -> bool:
    """True if the shapes agree; -1 on one side, or a length without a number on the other, fits anything."""
    return len(expected) == len(found) and all(
        want == -1 or not isinstance(got, int) or got == want for want, got in zip(expected, found, strict=True)
    )


def _is_open(shape: Sequence[int | str | None]) -> bool:
    return not any(isinstance(length, int) for length in shape[2:])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
