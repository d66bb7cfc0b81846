"""From stays and measurements to findings. Pure: no I/O, no clock, no vision library."""
