"""What a camera sees over time: its health, its geometry, and what stands still in it."""
