"""Fake providers: real servers and clients on loopback."""
