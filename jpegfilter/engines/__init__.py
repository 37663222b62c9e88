"""Whatever turns planes into restored planes: shipped networks in ONNX Runtime. See `contract`."""
