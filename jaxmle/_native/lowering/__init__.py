"""From jaxprs to graphs of scalar expressions."""
