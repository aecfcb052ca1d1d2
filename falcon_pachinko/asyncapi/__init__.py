"""The AsyncAPI 3 document of an app: written, and compared with what it was.

``python -m falcon_pachinko.asyncapi module:app`` does both.
"""

from falcon_pachinko.asyncapi.comparing import compare
from falcon_pachinko.asyncapi.comparing import Difference
from falcon_pachinko.asyncapi.limits import LIMITS
from falcon_pachinko.asyncapi.writing import document

__all__ = ["LIMITS", "Difference", "compare", "document"]
