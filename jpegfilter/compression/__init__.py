"""What a compressor does to pictures, in torch. Importing this room's modules loads torch."""
