"""Renderings: new views of a known object, data sets in BOP layout."""
