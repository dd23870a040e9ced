"""From received bytes to frozen splits: readers, cleaning, checks, near-duplicates."""
