"""What waits until the aggregator has it: a queue on disk that survives kills, power cuts and full disks."""
