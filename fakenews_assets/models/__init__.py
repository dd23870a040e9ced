"""Classifiers and their runtimes, calibration, abstention, out-of-distribution score."""
