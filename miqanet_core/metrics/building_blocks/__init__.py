"""What several measures are built of: filters, pyramids, transforms, models of contrast sensitivity."""
