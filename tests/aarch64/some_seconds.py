"""Some seconds of a recording, packet by packet, from a key frame on: python some_seconds.py IN OUT FROM UNTIL"""

from __future__ import annotations

import sys

import av


def cut(source: str, target: str, from_s: float, until_s: float) -> None:
    """Copy the video packets from the last key frame before ``from_s`` to ``until_s``."""
    with av.open(source) as whole, av.open(target, "w") as part:
        stream = whole.streams.video[0]
        copy = part.add_stream_from_template(stream)
        whole.seek(int(from_s / stream.time_base), stream=stream)
        began: int | None = None
        for packet in whole.demux(stream):
            if packet.pts is None or packet.dts is None or packet.pts * stream.time_base >= until_s:
                continue
            began = packet.pts if began is None else began
            packet.pts, packet.dts = packet.pts - began, packet.dts - began
            packet.stream = copy
            part.mux(packet)


if __name__ == "__main__":
    cut(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
