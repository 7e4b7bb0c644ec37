"""From programs of nodes to LLVM text."""
