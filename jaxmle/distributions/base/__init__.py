"""What families of several kinds of support share."""
