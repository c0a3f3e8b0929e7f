"""The parts of the score, one file each."""
