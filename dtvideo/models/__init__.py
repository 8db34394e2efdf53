"""Models on disk: where they lie, whether they are safe to open, and their parts one by one.

Nothing is imported here, so that a name of a model can be checked without torch.
"""
