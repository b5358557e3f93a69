# What the room offers; `__init__.py` loads each name when it is first used.
from .air import AIR as AIR
from .air import negative_elbo as negative_elbo
from .count_classifier import CountClassifier as CountClassifier
from .count_classifier import CountClassifierSettings as CountClassifierSettings
from .draw import DRAW as DRAW
from .draw import DRAWSettings as DRAWSettings
from .inference import Inference as Inference
from .settings import AIRSettings as AIRSettings
from .subitizing_vae import SubitizingVAE as SubitizingVAE
from .subitizing_vae import SubitizingVAESettings as SubitizingVAESettings
from .sums import sum_scene_loss as sum_scene_loss
