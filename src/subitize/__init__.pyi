# What the package offers; `__init__.py` loads each name when it is first used.
from . import claims as claims
from . import core as core
from . import evaluation as evaluation
from . import figures as figures
from . import gradients as gradients
from . import models as models
from . import reproduce as reproduce
from . import scenes as scenes
from . import training as training
from .evaluation.held_out import evaluate as evaluate
from .gradients import choose as choose
from .gradients import expectation as expectation
from .gradients import profile as profile
from .training import Recipe as Recipe
from .training import Run as Run
from .training import open_run as open_run
from .training import train as train
from .verbs import count as count
from .verbs import load_scenes as load_scenes
from .verbs import sample as sample

__version__: str
