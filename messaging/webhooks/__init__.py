"""What providers post to us: verified, kept, answered; counted a moment later (reports.py)."""
