"""Partitions of the data group: one per batch of articles, named when it arrives."""

import dagster as dg

news_batches = dg.DynamicPartitionsDefinition(name="news_batches")
