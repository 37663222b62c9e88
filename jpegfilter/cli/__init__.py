"""Click commands and everything that prints."""
