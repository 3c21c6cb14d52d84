"""The mesh lab: real programs on loopback addresses, and what they make of the rendered configuration."""
