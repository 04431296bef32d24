"""What a data set holds, its tables, and how it is written to disk."""
