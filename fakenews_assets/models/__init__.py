"""What a classifier is, and each runtime of it; calibration, abstention, out-of-distribution score."""
