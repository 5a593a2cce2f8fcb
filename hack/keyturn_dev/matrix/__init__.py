"""The fault matrix: which fault is covered by which test, read from the tests themselves without running them."""
