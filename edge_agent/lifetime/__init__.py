"""One process for months: start, supervision, reload, stop."""
