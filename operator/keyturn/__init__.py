"""Keyturn rotates credentials and proves that it was safe before it removes the old one."""
