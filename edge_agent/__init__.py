"""Clearway's edge agent: sees what stands in the way and tells the aggregator."""

__version__ = "0.1.0"
