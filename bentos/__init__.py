"""The prediction service: API, batching, page."""
