"""What follows from what is held: jobs of any type, training jobs in depth, their money, lineage and questions."""
