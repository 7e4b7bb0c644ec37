"""The intermediate representation: scalar expressions as nodes of a graph, a fit as a program of them, layouts of data."""
