"""What marketers and doctors do, in Chromium, against a real server."""
