"""Rewriting of graphs, each pass by one identity; rules apply as nodes are made, other passes to finished graphs."""
