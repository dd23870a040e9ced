"""Bundles, the champion's pointer and history, and the scorer that answers with a bundle."""
