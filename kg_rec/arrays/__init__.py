"""Array operations that NumPy lacks: segments of flat arrays, inverses by Cholesky, the k largest of each row."""
