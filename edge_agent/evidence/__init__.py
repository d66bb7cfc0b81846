"""Stills that show what an incident was, with nobody recognisable."""
