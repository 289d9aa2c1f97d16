"""Which counselling corpora are good: a sample of each, rated by a model and by people."""
