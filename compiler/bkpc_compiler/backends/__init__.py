"""Back ends: each renders a plan, and nothing but a plan, for people or for other programs."""
