"""The only door to Pillow, libjpeg and image files: reading, writing, metadata."""
