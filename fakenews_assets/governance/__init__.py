"""Audit, reproduction, erasure and pruning."""
