"""On Starlette alone: one route, the path checked by hand."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.http.usual.service import from_environment

service = from_environment()


async def answer(request: Request) -> Response:
    ticket, text = request.path_params["ticket"], request.path_params["answer"]
    try:
        question, choice, elapsed_ms = int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)
    except ValueError:
        return Response(status_code=404)
    return Response(status_code=await service.take(ticket, question, choice, elapsed_ms))


app = Starlette(routes=[Route("/a/{ticket}/{answer}", answer, methods=["POST"])])
