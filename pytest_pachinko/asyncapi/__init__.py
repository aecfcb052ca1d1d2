"""AsyncAPI 3 documents, read and validated without a network."""

from pytest_pachinko.asyncapi.loading import load_document
from pytest_pachinko.asyncapi.loading import validate
from pytest_pachinko.asyncapi.model import Document
from pytest_pachinko.asyncapi.problem import Problem

__all__ = ["Document", "Problem", "load_document", "validate"]
