"""The admission side: puts the probe into pods at their creation. Its account has no right to Secrets."""
