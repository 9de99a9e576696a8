"""Keys of the order API, made and revoked on the command line."""

import json
from typing import Any

from models import api_key, database

from .conftest import Run
