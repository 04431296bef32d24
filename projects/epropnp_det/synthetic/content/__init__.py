"""What is in a scene: street, light, weather, the vehicle with its cameras, and who is there."""
