"""Jobs, sensors and the schedule, with their limits."""
