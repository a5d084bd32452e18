"""What a network of ours must beat."""
