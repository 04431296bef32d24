"""What is known of objects and of their poses, as arrays."""
