"""`rest.md`: the HTTP API, from the OpenAPI documents that the services serve."""

import json
from collections.abc import Mapping
from typing import Any

from pages.markdown import NOTE, code, table
from steno_ingest import openapi as ingest
from steno_notifier import openapi as notifier

Node = Mapping[str, Any]

_INTRODUCTION = """# REST

Each service serves its OpenAPI document at `/openapi.json` and a page to try it at `/docs`. Requests carry an API key:
`Authorization: Bearer KEY` or `X-Api-Key: KEY`. Before an operation sees a request it may be answered
with 400 (its JSON is too deep or has too many values), 401, 408 (too slow), 413, 414, 429 (with `Retry-After`) or 431, each a
problem: [limits](operating.md#limits).

"""


def page() -> str:
    """The whole page."""
    return NOTE + _INTRODUCTION + _service("ingest", ingest.document()) + _service("notifier", json.loads(notifier.document()))


def _service(service: str, document: Node) -> str:
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "put", "post", "delete", "patch", "head")
    ]
    rows = [[code(f"{method} {path}"), operation.get("summary", "")] for method, path, operation in operations]
    schemas = document.get("components", {}).get("schemas", {})
    text = (
        f"## {service}\n\n{document['info'].get('description', '').strip()}\n\n"
        + table(["Request", "What"], rows)
        + "".join(_operation(*operation) for operation in operations)
        + f"### Values of {service}\n\n"
        + "".join(_schema(service, name, schema) for name, schema in schemas.items())
    )
    # Two services may have a value of the same name.
    return text.replace("](#", f"](#{service}-")


def _operation(method: str, path: str, operation: Node) -> str:
    parts = [f"### {method} {path}\n\n{operation.get('description') or operation.get('summary', '')}\n\n"]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            [
                code(parameter["name"]) + (" (required)" if parameter.get("required") else ""),
                parameter["in"],
                _type(parameter.get("schema", {})),
                parameter.get("description") or parameter.get("schema", {}).get("description", ""),
            ]
            for parameter in parameters
        ]
        parts.append(table(["Parameter", "In", "Type", "What"], rows))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody'])}\n\n")
    rows = [
        [status, response.get("description", ""), _content(response)] for status, response in operation["responses"].items()
    ]
    return "".join(parts) + table(["Answer", "When", "Body"], rows)


def _content(node: Node) -> str:
    return "; ".join(
        f"{code(kind)} {_type(entry.get('schema', {}))}".strip() for kind, entry in node.get("content", {}).items()
    )


def _schema(service: str, name: str, schema: Node) -> str:
    text = f'<a id="{service}-{name.lower()}"></a>\n\n#### {name}\n\n' + (
        f"{schema['description']}\n\n" if "description" in schema else ""
    )
    if "enum" in schema:
        return text + "One of " + ", ".join(map(code, schema["enum"])) + ".\n\n"
    required = schema.get("required", [])
    rows = [
        [code(field) + (" (required)" if field in required else ""), _type(entry), entry.get("description", "")]
        for field, entry in schema.get("properties", {}).items()
    ]
    return text + (table(["Field", "Type", "What"], rows) if rows else "")


def _type(schema: Node) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for combination in ("anyOf", "oneOf", "allOf"):
        if combination in schema:
            return " or ".join(_type(branch) for branch in schema[combination])
    if "enum" in schema:
        return "one of " + ", ".join(map(code, schema["enum"]))
    if "const" in schema:
        return code(schema["const"])
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"map of {_type(schema['additionalProperties'])}"
        case "object" if "properties" in schema:
            return "with " + ", ".join(f"{code(name)}: {_type(entry)}" for name, entry in schema["properties"].items())
        case None:
            return ""
        case kind:
            return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
