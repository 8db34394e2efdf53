"""The jobs that a person can run, one file each."""
