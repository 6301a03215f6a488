"""The Fit section: from a pretrained encoder and strong labels to a model file."""
