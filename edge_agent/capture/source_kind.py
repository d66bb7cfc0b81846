"""What a camera's ``source`` names."""

from __future__ import annotations

from enum import StrEnum


class SourceKind(StrEnum):
    """Where pictures come from. A recording has an end and is played; everything else is live and is watched."""

    RECORDING = "recording"
    """A video file or a folder of stills."""
    LOOP = "loop"
    """A video file that plays again and again in real time, as a camera that never ends."""
    RTSP = "rtsp"
    HTTP = "http"
    """Motion JPEG, or a still that is asked for again and again: the answer's content type tells which."""
    DEVICE = "device"
    """A camera at this machine: Video4Linux."""

    @property
    def is_live(self) -> bool:
        """True if the pictures come when they come, and do not end."""
        return self is not SourceKind.RECORDING


SCHEMES = {"rtsp": SourceKind.RTSP, "rtsps": SourceKind.RTSP, "http": SourceKind.HTTP, "https": SourceKind.HTTP}
DEVICES = "/dev/"


def kind_of(source: str, *, loop: bool = False) -> SourceKind:
    """The kind of a ``source``. Raises ``ValueError`` for an address that nothing here reads."""
    scheme, colon, _ = source.partition("://")
    if colon:
        kind = SCHEMES.get(scheme.lower())
        if kind is None:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise ValueError(
                f"a source that begins with {scheme}:// cannot be read: give an address that begins with one of "
                f"{known}, a device such as /dev/video0, a video file or a folder of stills"
            )
        return kind
    if source.startswith(DEVICES):
        return SourceKind.DEVICE
    return SourceKind.LOOP if loop else SourceKind.RECORDING
