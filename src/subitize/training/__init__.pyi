# What the room offers; `__init__.py` loads each name when it is first used.
from .from_recipe import train as train
from .loop import Interrupted as Interrupted
from .loop import fit as fit
from .plan import Plan as Plan
from .recipe import Recipe as Recipe
from .run import Run as Run
from .run import open_run as open_run
