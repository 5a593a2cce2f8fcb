"""Those who are told what happened: metrics and the log. They never fail and never decide."""
