"""Readers, cleaning, batch checks, near-duplicate clusters and splits."""
