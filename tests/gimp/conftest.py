"""What runs in a real GIMP is started by `real/run`, not by pytest."""

collect_ignore = ["real"]
