"""The way to the aggregator: one stream of events, one channel for evidence."""
