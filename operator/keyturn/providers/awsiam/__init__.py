"""Access keys of an AWS IAM user: at most two of them, named by AWS, each shown once.

The package knows IAM's and STS' actions and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.awsiam.kinds import ABLE, AWS_IAM
from keyturn.providers.opening import Opener

OPENER = Opener(
    AWS_IAM,
    "keyturn.providers.awsiam.provider",
    ABLE,
    "no sessions, for there are none: each request is signed by itself. `GetAccessKeyLastUsed` of the key, in steps of "
    "15 minutes and hours late. Not seen: who uses it, tokens of STS that were made with it.",
    extra="aws",
)
