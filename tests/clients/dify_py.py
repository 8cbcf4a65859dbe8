"""Drives the unchanged Python library of Dify once and prints one line of JSON.

Only the base URL and the key differ from what a user of the library writes. The library hands out replies
as they are; what is printed is what its users read from them. See README.md for the exit codes.
"""

import argparse
import json
import sys

import requests
from dify_client import ChatClient, CompletionClient


def events(reply):
    """The events of a stream, as the library's own examples read them."""
    for line in reply.iter_lines():
        name, _, data = line.decode("utf-8").partition(":")
        if name == "data":
            yield json.loads(data)


def took(reply, options, seen):
    seen.update(
        status=reply.status_code,
        call=reply.headers.get("weir-call-id"),
        charge=reply.headers.get("weir-charge"),
        balance=reply.headers.get("weir-balance"),
    )
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        seen.update(text="", events=[], last=None)
        for event in events(reply):
            seen["events"].append(event["event"])
            seen["text"] += event.get("answer") or ""
            seen["conversation"] = event.get("conversation_id") or seen.get("conversation")
            seen["usage"] = event.get("metadata", {}).get("usage") or seen.get("usage")
            seen["last"] = event
    else:
        seen["body"] = reply.json()
    if reply.status_code >= 400:
        body = seen["body"]
        seen["error"] = {"code": body["code"], "message": body["message"], "status": body["status"]}


def act(options, seen):
    kind = CompletionClient if options.do == "complete" else ChatClient
    client = kind(options.key)
    client.base_url = f"{options.base_url}{options.path}"
    mode = "streaming" if options.stream else "blocking"
    if options.do == "complete":
        reply = client.create_completion_message({"query": options.text}, mode, options.user)
    elif options.do == "chat":
        conversation = options.conversation
        reply = client.create_chat_message({}, options.text, options.user, mode, conversation)
    elif options.do == "conversations":
        reply = client.get_conversations(options.user)
    elif options.do == "messages":
        reply = client.get_conversation_messages(options.user, options.conversation)
    elif options.do == "rename":
        reply = client.rename_conversation(options.conversation, "a name", options.user)
    elif options.do == "feedback":
        reply = client.message_feedback(options.message, "like", options.user)
    elif options.do == "parameters":
        reply = client.get_application_parameters(options.user)
    elif options.do == "upload":
        reply = client.file_upload(options.user, {"file": ("a.txt", b"hello", "text/plain")})
    took(reply, options, seen)


DEEDS = ["chat", "complete", "conversations", "messages", "rename", "feedback", "parameters", "upload"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--path", default="/dify/v1", help="the door, behind the base URL")
    parser.add_argument("--key", required=True)
    parser.add_argument("--do", required=True, choices=DEEDS)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--text", default="hello")
    parser.add_argument("--user", default="u1")
    parser.add_argument("--conversation")
    parser.add_argument("--message")
    options = parser.parse_args()
    seen = {"do": options.do}
    code = 0
    try:
        act(options, seen)
        code = 3 if "error" in seen else 0
    except (requests.RequestException, ValueError, KeyError) as error:
        seen["error"], code = {"class": type(error).__name__, "message": str(error)}, 4
    print(json.dumps(seen))
    return code


if __name__ == "__main__":
    sys.exit(main())
