"""Learning: recipes, data, degradation, losses, the loop and its checkpoints. Importing this room loads torch."""
