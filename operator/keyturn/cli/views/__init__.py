"""What people see, as pure functions from records to text or to rich renderables. Nothing here asks or prints."""
