"""The order of events: for one picture, for its tiles, for many files, for a score."""
