"""Ensembles of an encoder and the linear model."""
