"""Every seeded bug, split by what it breaks. To add one: a value in the file it belongs to."""

from keyturn_dev.mutants.catalogue import (
    acceptors,
    backward,
    code_spaces,
    incidents,
    keeping,
    lookout,
    order,
    proof,
    restarts,
    rotators,
    standing,
    turns,
    unknown,
)
from keyturn_dev.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *keeping.MUTANTS,
    *order.MUTANTS,
    *proof.MUTANTS,
    *unknown.MUTANTS,
    *lookout.MUTANTS,
    *restarts.MUTANTS,
    *standing.MUTANTS,
    *backward.MUTANTS,
    *turns.MUTANTS,
    *acceptors.MUTANTS,
    *incidents.MUTANTS,
    *code_spaces.MUTANTS,
    *rotators.MUTANTS,
)
