"""dtvideo: make the character in one picture perform the motion of a video."""

__version__ = "0.1.0"
