"""The route by which a client of Azure's Speech service exchanges its key for a token."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from steno.http.problems import documented
from steno.http.rest import RequestCaller
from steno_ingest.speech_tokens import SpeechTokens


def routes(tokens: SpeechTokens) -> APIRouter:
    """Makes the route."""
    router = APIRouter(prefix="/sts/v1.0", tags=["speech tokens"])

    @router.post(
        "/issueToken", response_class=PlainTextResponse, summary="Get a token for ten minutes", responses=documented(401)
    )
    @router.post("/issuetoken", include_in_schema=False)
    async def issue_token(caller: RequestCaller) -> PlainTextResponse:
        """Returns a token that stands for the key of the request for ten minutes, for clients of the Speech SDK."""
        return PlainTextResponse(tokens.issue(caller))

    return router
