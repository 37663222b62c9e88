"""jpegfilter."""
