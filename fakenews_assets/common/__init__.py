"""Plots, progress, metadata and hardware, for every layer above."""
