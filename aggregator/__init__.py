"""Clearway's aggregator: keeps what the agents saw, and shows it."""

__version__ = "0.1.0"
