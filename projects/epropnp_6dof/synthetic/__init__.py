"""What is rendered before training: coordinate maps, new views, data sets in BOP layout."""
