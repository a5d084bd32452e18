"""MIQA: is this MR scan good enough? Quality of MR images without a reference image. A research tool, not a medical device."""
