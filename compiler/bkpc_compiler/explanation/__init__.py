"""How a bound comes about: from an analysis to a value that text and JSON show."""
