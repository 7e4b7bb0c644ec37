"""Compiled kernels, on CPUs and NVIDIA GPUs, and the data that they read."""
