"""Compiled kernels on a CPU and on an NVIDIA GPU, and the arguments they read."""
