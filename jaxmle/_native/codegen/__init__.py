"""LLVM from expressions: kernels and the templates of which they are made."""
