"""Shared parts of training: the optimiser loop, checkpoints and data."""
