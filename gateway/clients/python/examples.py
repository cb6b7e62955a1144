"""Sends every example of the OpenAPI document to a gateway, with httpx.

usage: examples.py OPENAPI URL ACCOUNT_KEY ADMIN_KEY

Each answer must have a status that the document has for the operation, and none may be a 5xx.
"""

import json
import sys

import httpx


def resolve(document, value):
    while isinstance(value, dict) and "$ref" in value:
        found = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def example(document, thing):
    """The first example of a parameter or a schema; None if it has none."""
    thing = resolve(document, thing)
    if "example" in thing:
        return thing["example"]
    if thing.get("examples"):
        return thing["examples"][0]
    for inner in [thing.get("schema")] + thing.get("oneOf", []):
        found = example(document, inner) if inner else None
        if found is not None:
            return found
    return thing.get("enum", [None])[0]


def requests(document):
    """Each operation with the examples of its parameters and body."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            filled, query = path, {}
            for parameter in operation.get("parameters", []):
                parameter = resolve(document, parameter)
                value = example(document, parameter)
                if parameter["in"] == "path":
                    filled = filled.replace("{" + parameter["name"] + "}", str(value or "RAIN-TOMORROW"))
                elif parameter.get("required"):
                    query[parameter["name"]] = str(value or "RAIN-TOMORROW")
            body = operation.get("requestBody")
            schema = resolve(document, body["content"]["application/json"]["schema"]) if body else {}
            for sent in schema.get("examples", [None]):
                yield method, path, filled, query, sent, operation


def main():
    with open(sys.argv[1]) as file:
        document = json.load(file)
    url, account, admin = sys.argv[2:5]
    wrong, count = [], 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for method, path, filled, query, body, operation in requests(document):
            if operation["operationId"] in ("open_websocket", "raise_vocabulary"):
                continue
            of_admin = any("adminKey" in way for way in operation["security"])
            headers = {"Authorization": f"Bearer {admin if of_admin else account}"}
            answer = client.request(method, filled, params=query, json=body, headers=headers)
            count += 1
            if str(answer.status_code) not in operation["responses"] or answer.status_code >= 500:
                wrong.append(f"{method} {filled}: {answer.status_code} {answer.text[:200]}")
    print(f"{count} examples, {len(wrong)} wrong")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main()
