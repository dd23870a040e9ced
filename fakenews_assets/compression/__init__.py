"""Smaller and faster variants: distillation, pruning, export, quantization."""
