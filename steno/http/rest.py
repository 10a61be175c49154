"""REST with FastAPI, for services that answer to people and programs of others."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/docs/assets"


class RestApplication(FastAPI):
    """FastAPI with a page to try it under `/docs` that needs no internet, and without spans of FastAPI's own.

    FastAPI's page loads Swagger UI from a content delivery network. Its spans stand beside ours instead of around them, and
    there is one for each probe of health and each scrape of metrics.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(docs_url=None, redoc_url=None, telemetry={"tracing": False}, **options)
        self.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))
        self.add_route("/docs", self._page, include_in_schema=False)

    async def _page(self, request: Request) -> HTMLResponse:
        # Behind a proxy that strips a prefix, the browser has to ask with it.
        root = request.scope.get("root_path", "")
        assets = f"{root}{_ASSETS}"
        return get_swagger_ui_html(
            openapi_url=f"{root}{self.openapi_url}",
            title=self.title,
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon.png",
        )
