"""The champion's bento, its container context, and batch predictions."""
