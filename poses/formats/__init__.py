"""Key-point file formats, one module each; `poses.io` chooses between them."""
