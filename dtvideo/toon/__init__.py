"""The built-in toon model and the drawn world that it learns from."""
