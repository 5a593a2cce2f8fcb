"""What backends without a server share: pods judge a key, and a Secret of theirs says which keys they accept.

    presenters                              acceptors
    Secret orders-key: the key in use       Secret orders-ring: every key that is accepted
        ^ the reconciler, as ever               ^ this package: it is the "backend" of the plan

So "NEW works" is what every acceptor pod proves through its probe, never an assumption. No backend by itself.
"""
