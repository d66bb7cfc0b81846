"""The first seconds of a recording, packet by packet: python first_seconds.py IN OUT SECONDS"""

from __future__ import annotations

import sys

import av


def cut(source: str, target: str, seconds: float) -> None:
    """Copy the video packets that are shown before ``seconds``."""
    with av.open(source) as whole, av.open(target, "w") as part:
        stream = whole.streams.video[0]
        copy = part.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.pts is None or packet.pts * stream.time_base >= seconds:
                continue
            packet.stream = copy
            part.mux(packet)


if __name__ == "__main__":
    cut(sys.argv[1], sys.argv[2], float(sys.argv[3]))
