"""The parts that restoration transformers are made of. Every block maps (B, C, H, W) to (B, C, H, W)."""
