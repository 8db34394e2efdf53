"""Bodies as data: key points, skeletons, their drawing and their repair."""
