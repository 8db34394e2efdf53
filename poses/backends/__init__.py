"""Pose detectors from other packages, each imported when it is created."""
