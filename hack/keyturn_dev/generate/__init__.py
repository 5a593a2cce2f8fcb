"""Files that are drawn from the code: CRDs from the models, the diagram from the tables. Never edited by hand."""
