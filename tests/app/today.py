"""A web application on PostgreSQL as they are written today: a pool that pings a connection before it lends it, a session per request.

DATABASE_URL=postgresql://... uvicorn today:app
"""

import os
from typing import Iterator, List, Optional

from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select


class Note(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    text: str


engine = create_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)
app = FastAPI()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.get("/notes", response_model=List[Note])
def read_notes(session: Session = Depends(get_session)):
    return session.exec(select(Note).order_by(Note.id.desc()).limit(10)).all()


@app.post("/notes", response_model=Note)
def write_note(note: Note, session: Session = Depends(get_session)):
    session.add(note)
    session.commit()
    session.refresh(note)
    return note
