"""From a checkpoint to a shipped weight: ONNX file, parity check, card. Imports jpegfilter, never the reverse."""
