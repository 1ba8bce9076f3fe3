"""What the words of a question say, before any parser decides what is meant: numbers, places, technologies, bounds."""
