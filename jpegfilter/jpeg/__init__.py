"""Facts of JPEG, in NumPy alone: transform, tables, sampling, intervals, color. Nothing here touches a file."""
