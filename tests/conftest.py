"""How Hypothesis runs here. Choose a profile by HYPOTHESIS_PROFILE: default, or sweep for many examples."""

import os

from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=40, print_blob=True)
settings.register_profile("sweep", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
