"""The additive model: channels, fusion, training."""
