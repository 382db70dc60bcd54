"""The command line, and the loop that ties images, searches, truth and report together."""
