"""From a frame to detections: model cards, ONNX sessions, one decoder per model family."""
