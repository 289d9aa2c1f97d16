"""A fine-tune on a rented GPU: a Hugging Face job works, a run directory here shows it.

Files travel through a private dataset repository on the Hub. On this machine: ``command``, what it
stands on, ``following``. In the job: ``bootstrap``, then ``worker``.
"""
