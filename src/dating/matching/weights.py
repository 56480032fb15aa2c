"""The weights of the ranking from the settings: each setting `ranking_…` is the weight of that name."""

from msgspec.structs import fields

from dating.matching.ranking import Weights
from dating.settings import Settings

SETTINGS = {field.name: f"ranking_{field.name}" for field in fields(Weights) if field.name != "base"}


def read_weights(settings: Settings) -> Weights:
    """What is in force. The settings have bounded every number already."""
    return Weights(**{name: getattr(settings, setting) for name, setting in SETTINGS.items()})
