"""What is written about a scored series: HTML report, CSV table, quality map as an overlay, pictures."""
