"""Making weights: a thin loop on Lightning Fabric, and recipes for it."""
