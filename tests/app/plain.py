"""today.py without the ping before each use: the floor of a comparison."""

import today
from sqlmodel import create_engine

today.engine = create_engine(today.engine.url)
app = today.app
