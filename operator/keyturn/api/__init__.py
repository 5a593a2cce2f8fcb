"""What users write and read: the kinds as models, their admission rules, conditions and labels. Pure."""
