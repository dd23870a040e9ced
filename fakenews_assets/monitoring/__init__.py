"""Prediction log, drift and performance reports, the monitoring page."""
