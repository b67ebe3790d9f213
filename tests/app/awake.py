"""The application of today.py on a database that sleeps, with pgwaked: what differs is the pool and what get_session waits for.

DATABASE_URL=postgresql://... uvicorn awake:app
"""

import os
from typing import Iterator, List, Optional

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from sqlmodel import Field, Session, SQLModel, create_engine, select

from pgwaked_client import Awake, NotAwake


class Note(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    text: str


engine = create_engine(os.environ["DATABASE_URL"])
awake = Awake("main", gone=engine.dispose, socket=os.environ.get("PGWAKE_SOCKET", "/run/pgwaked/control.sock"))
app = FastAPI()


def get_session(_: None = Depends(awake)) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.exception_handler(NotAwake)
def not_awake(_, why: NotAwake):
    return JSONResponse({"detail": str(why), "reason": why.reason}, 503, {"Retry-After": "5"})


@app.get("/notes", response_model=List[Note])
def read_notes(session: Session = Depends(get_session)):
    return session.exec(select(Note).order_by(Note.id.desc()).limit(10)).all()


@app.post("/notes", response_model=Note)
def write_note(note: Note, session: Session = Depends(get_session)):
    session.add(note)
    session.commit()
    session.refresh(note)
    return note
