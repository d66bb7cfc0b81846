"""The 80 classes of COCO and the groups in which they count."""

from __future__ import annotations

from edge_agent.detection.detections import ClassGroup

COCO80: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""In the order of COCO's own label map, as its detectors number them."""

COCO_GROUPS: dict[ClassGroup, tuple[str, ...]] = {
    ClassGroup.VEHICLE: ("car", "bus", "truck"),
    ClassGroup.CYCLE: ("bicycle", "motorcycle"),
    ClassGroup.PERSON: ("person",),
    ClassGroup.OBJECT: (
        "bench", "backpack", "umbrella", "handbag", "suitcase", "skateboard", "chair", "couch", "potted plant", "bed",
        "dining table", "toilet", "tv", "microwave", "oven", "sink", "refrigerator",
    ),
}  # fmt: skip
"""What can be left, put or dumped in somebody's way. Fixed street furniture (hydrant, sign, meter, traffic light) is
part of the street, animals walk on, and things one holds in a hand block nobody; a tram keeps to its own rails."""
