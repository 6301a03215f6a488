"""The Set-up section: what is installed and what this computer has; sample data."""
