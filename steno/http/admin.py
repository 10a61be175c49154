"""Moves metrics, API documents and detailed health to a port for operators."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from steno.http.health import Health

_DOCUMENTS = frozenset({"/openapi.json", "/docs", "/docs/assets"})


def move_to_admin_port(app: Starlette, health: Health) -> Starlette:
    """Moves these routes from `app` to a new application for the admin port; `app` keeps health routes without reasons."""
    documents = [route for route in app.router.routes if _is_document(route)]
    app.router.routes[:] = [route for route in app.router.routes if route not in documents]
    app.router.routes.extend(health.bare_routes())
    return Starlette(routes=[*health.routes(), *documents])


def _is_document(route: BaseRoute) -> bool:
    return isinstance(route, Route | Mount) and route.path in _DOCUMENTS
