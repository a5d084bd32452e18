"""The listener: receives MR series by C-STORE, scores them as they come, and writes back what it found."""
