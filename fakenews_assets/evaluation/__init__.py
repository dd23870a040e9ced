"""Metrics, robustness, shortcut probes, generalization and the leaderboard."""
