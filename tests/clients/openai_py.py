"""Drives the unchanged Python library of OpenAI once and prints one line of JSON.

Only the base URL and the key differ from what a user of the library writes. Its own retries are left
as they are: two after the first try. See README.md for the exit codes.
"""

import argparse
import json
import sys

from openai import APIConnectionError, APIError, OpenAI


def usage_of(usage):
    return usage and {
        name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    }


def complete(client, request, seen):
    reply = client.chat.completions.with_raw_response.create(**request)
    seen.update(call=reply.headers.get("weir-call-id"), charge=reply.headers.get("weir-charge"))
    completion = reply.parse()
    choice = completion.choices[0]
    seen.update(
        id=completion.id,
        model=completion.model,
        text=choice.message.content,
        finish_reason=choice.finish_reason,
        usage=usage_of(completion.usage),
        extra=completion.model_extra,
    )


def stream(client, request, seen):
    seen.update(text="", chunks=0, usage=None, roles=[])
    for chunk in client.chat.completions.create(stream=True, **request):
        seen["chunks"] += 1
        seen["id"], seen["model"] = chunk.id, chunk.model
        seen["usage"] = usage_of(chunk.usage) or seen["usage"]
        for choice in chunk.choices:
            seen["text"] += choice.delta.content or ""
            seen["roles"] += [choice.delta.role] if choice.delta.role else []
            seen["finish_reason"] = choice.finish_reason
        seen["extra"] = chunk.model_extra or seen.get("extra")


def request_of(options):
    request = {"model": options.model, "messages": [{"role": "user", "content": options.text}]}
    if options.messages:
        request["messages"] = json.loads(options.messages)
    if options.extra_body:
        request["extra_body"] = json.loads(options.extra_body)
    if options.include_usage:
        request["stream_options"] = {"include_usage": True}
    if options.idempotency_key:
        request["extra_headers"] = {"Idempotency-Key": options.idempotency_key}
    return request


def act(options, seen):
    client = OpenAI(base_url=f"{options.base_url}/v1", api_key=options.key)
    if options.do == "complete":
        complete(client, request_of(options), seen)
    elif options.do == "stream":
        stream(client, request_of(options), seen)
    elif options.do == "models":
        seen["models"] = [model.id for model in client.models.list()]
    elif options.do == "model":
        seen["model"] = client.models.retrieve(options.model).id
    elif options.do == "execution":
        path = f"/workflows/executions/{options.execution}"
        seen["execution"] = client.get(path, cast_to=object)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--do", required=True, choices=["complete", "stream", "models", "model", "execution"])
    parser.add_argument("--model", default="coze-bot")
    parser.add_argument("--text", default="hello")
    parser.add_argument("--messages", help="JSON, in place of --text")
    parser.add_argument("--extra-body", help="JSON of what only Weir knows")
    parser.add_argument("--include-usage", action="store_true")
    parser.add_argument("--idempotency-key")
    parser.add_argument("--execution")
    options = parser.parse_args()
    seen = {"do": options.do}
    code = 0
    try:
        act(options, seen)
    except APIConnectionError as error:
        seen["error"], code = {"class": type(error).__name__}, 4
    except APIError as error:
        seen["error"], code = {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": error.code,
            "type": error.type,
            "message": error.message,
        }, 3
    print(json.dumps(seen))
    return code


if __name__ == "__main__":
    sys.exit(main())
