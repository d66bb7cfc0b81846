"""From a recording or a camera to frames with true time."""
