"""The Predict section: one CT of the scene, judged at the press of a button."""
