"""The segue command, the demo, and the checks of the house."""
