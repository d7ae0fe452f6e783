"""Everybody in a segment, and what a template or a campaign would say to each of them."""
