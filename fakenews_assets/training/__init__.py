"""Fine-tuning and hyperparameter search."""
