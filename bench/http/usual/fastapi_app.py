"""On FastAPI, as its documentation has it: typed path parameters, checked by pydantic."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Response

from bench.http.usual.service import from_environment

app = FastAPI(openapi_url=None)
service = from_environment()


@app.post("/a/{ticket}/{answer}")
async def answer(
    ticket: Annotated[str, Path(pattern="^[A-Za-z0-9_-]{20}$")],
    answer: Annotated[str, Path(pattern="^[0-9a-f]{11}$")],
) -> Response:
    status = await service.take(
        ticket, int(answer[:2], 16), int(answer[2:4], 16), int(answer[4:], 16)
    )
    return Response(status_code=status)
