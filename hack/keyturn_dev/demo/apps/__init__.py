"""The shop of the demo: small programs that use a database the way real ones do, each with a witness inside.

They run in pods, from an image of their own, and know nothing about Keyturn.
"""
