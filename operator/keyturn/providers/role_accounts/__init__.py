"""What MariaDB and MySQL share: two accounts with a common role, changed by an administrator's procedures.

    providers/mariadb  --+                          +-- docs/providers/mariadb/procedures.sql
                         +--> here: CALL keyturn.… -+
    providers/mysql    --+                          +-- docs/providers/mysql/procedures.sql

The procedures have the same names, parameters and answers on both, so what differs is in them and in a ``Dialect``.
No backend by itself.
"""
