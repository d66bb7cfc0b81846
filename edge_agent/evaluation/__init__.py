"""Truth files, suites, the scorer and its report."""
