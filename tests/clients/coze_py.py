"""Drives the unchanged Python library of Coze (cozepy) once and prints one line of JSON.

Only the base URL and the key differ from what a user of the library writes. See README.md for the
exit codes.
"""

import argparse
import json
import sys
import time

import httpx
from cozepy import (
    ChatEventType,
    Coze,
    CozeAPIError,
    JWTAuth,
    JWTOAuthApp,
    Message,
    SyncHTTPClient,
    TokenAuth,
    ToolOutput,
    WorkflowEventType,
)

POLL_SECONDS = 0.2
TOOL_OUTPUT = "sunny"
RESUME_DATA = "Hangzhou"


class Seen:
    """What the library gave so far, kept even when it raises half-way."""

    def __init__(self, do):
        self.result = {"do": do, "events": [], "text": ""}

    def set(self, **facts):
        self.result.update({name: fact for name, fact in facts.items() if fact is not None})

    def event(self, name):
        self.result["events"].append(name)

    def say(self, text):
        self.result["text"] += text or ""

    def chat(self, chat):
        error = chat.last_error
        self.set(
            chat_id=chat.id,
            conversation_id=chat.conversation_id,
            status=str(chat.status.value),
            usage=chat.usage and chat.usage.model_dump(),
            last_error=error.model_dump() if error and error.code else None,
        )

    def chat_stream(self, stream):
        """Reads a chat or chatflow stream to its end; gives the tool calls it asks for."""
        calls = []
        self.set(logid=stream.response.logid)
        for event in stream:
            if event.event == ChatEventType.UNKNOWN and event.unknown:
                self.event(event.unknown["event"])
                self.result.setdefault("unknown", []).append(event.unknown)
                continue
            self.event(event.event.value)
            if event.chat:
                self.chat(event.chat)
                action = event.chat.required_action
                if action and action.submit_tool_outputs:
                    calls = action.submit_tool_outputs.tool_calls
            if event.event == ChatEventType.CONVERSATION_MESSAGE_DELTA:
                self.say(event.message.content)
        return calls

    def workflow_stream(self, stream):
        """Reads a workflow stream to its end; gives the question it stopped with."""
        question = None
        self.set(logid=stream.response.logid)
        for event in stream:
            if event.event == WorkflowEventType.UNKNOWN:
                self.event(event.unknown["event"])
                self.result.setdefault("unknown", []).append(event.unknown)
                continue
            self.event(event.event.value)
            if event.message:
                self.say(event.message.content)
                if event.message.usage:
                    self.set(usage=event.message.usage.model_dump())
            if event.interrupt:
                question = event.interrupt.interrupt_data
                self.set(event_id=question.event_id)
            if event.error:
                self.set(stream_error=event.error.model_dump())
        return question

    def run(self, run):
        self.set(
            data=run.data,
            debug_url=run.debug_url,
            execute_id=run.execute_id or None,
            usage=run.usage and run.usage.model_dump(),
            logid=run.response.logid,
        )

    def history(self, history):
        self.set(
            execute_id=history.execute_id,
            status=history.execute_status.value,
            data=history.output,
            usage=history.usage and history.usage.model_dump(),
            error_code=history.error_code,
        )


def messages(options):
    return [Message.build_user_question_text(options.text)]


def chat_arguments(options):
    return {
        "bot_id": options.bot_id,
        "user_id": options.user_id,
        "conversation_id": options.conversation_id,
        "additional_messages": messages(options),
    }


def chat_stream(coze, options, seen):
    seen.chat_stream(coze.chat.stream(**chat_arguments(options)))


def chat_poll(coze, options, seen):
    poll = coze.chat.create_and_poll(**chat_arguments(options))
    seen.chat(poll.chat)
    for message in poll.messages or []:
        if message.type.value == "answer":
            seen.say(message.content)


def chat_cancel(coze, options, seen):
    created = coze.chat.create(**chat_arguments(options))
    seen.chat(created)
    ids = {"conversation_id": created.conversation_id, "chat_id": created.id}
    seen.chat(coze.chat.cancel(**ids))
    seen.chat(coze.chat.retrieve(**ids))


def chat_tools(coze, options, seen):
    calls = seen.chat_stream(coze.chat.stream(**chat_arguments(options)))
    stream = coze.chat.submit_tool_outputs(
        conversation_id=seen.result["conversation_id"],
        chat_id=seen.result["chat_id"],
        tool_outputs=[ToolOutput(tool_call_id=call.id, output=TOOL_OUTPUT) for call in calls],
        stream=True,
    )
    seen.chat_stream(stream)


def run_arguments(options):
    return {"workflow_id": options.workflow_id, "parameters": {"input": options.text}}


def run(coze, options, seen):
    seen.run(coze.workflows.runs.create(**run_arguments(options)))


def run_async(coze, options, seen):
    started = coze.workflows.runs.create(is_async=True, **run_arguments(options))
    seen.run(started)
    for poll in range(1, options.polls_max + 1):
        history = coze.workflows.runs.run_histories.retrieve(
            workflow_id=options.workflow_id, execute_id=started.execute_id
        )
        seen.history(history)
        seen.set(polls=poll)
        if history.execute_status.value != "Running":
            return
        time.sleep(POLL_SECONDS)


def run_stream(coze, options, seen):
    seen.workflow_stream(coze.workflows.runs.stream(**run_arguments(options)))


def run_resume(coze, options, seen):
    question = seen.workflow_stream(coze.workflows.runs.stream(**run_arguments(options)))
    if question is None:
        return
    stream = coze.workflows.runs.resume(
        workflow_id=options.workflow_id,
        event_id=question.event_id,
        resume_data=RESUME_DATA,
        interrupt_type=question.type,
    )
    seen.workflow_stream(stream)


def chatflow(coze, options, seen):
    stream = coze.workflows.chat.stream(
        workflow_id=options.workflow_id,
        bot_id=options.bot_id,
        conversation_id=options.conversation_id,
        additional_messages=messages(options),
        parameters={},
    )
    seen.chat_stream(stream)


def history(coze, options, seen):
    seen.history(
        coze.workflows.runs.run_histories.retrieve(
            workflow_id=options.workflow_id, execute_id=options.execute_id
        )
    )


def conversations(coze, options, seen):
    created = coze.conversations.create(messages=messages(options), bot_id=options.bot_id)
    found = coze.conversations.retrieve(conversation_id=created.id)
    seen.set(conversation_id=found.id)
    if options.bot_id:
        listed = coze.conversations.list(bot_id=options.bot_id)
        seen.set(conversations=[conversation.id for conversation in listed])


def list_messages(coze, options, seen):
    listed = coze.conversations.messages.list(
        conversation_id=options.conversation_id, order="asc"
    )
    seen.set(messages=[[message.role.value, message.content] for message in listed])


def files(coze, options, seen):
    uploaded = coze.files.upload(file=("note.txt", options.text.encode()))
    found = coze.files.retrieve(file_id=uploaded.id)
    seen.set(file_id=found.id, file_name=found.file_name, bytes=found.bytes)


def bots(coze, options, seen):
    bot = coze.bots.retrieve(bot_id=options.bot_id)
    listed = coze.bots.list(space_id="1")
    seen.set(bot_id=bot.bot_id, bots=[bot.bot_id for bot in listed.items])


def whoami(coze, options, seen):
    user = coze.users.me()
    seen.set(user_id=user.user_id, user_name=user.user_name)


def speech(coze, options, seen):
    audio = coze.audio.speech.create(input=options.text, voice_id="voice_1")
    seen.set(logid=audio.response.logid, bytes=len(audio._raw_response.read()))


DOINGS = {
    "chat-stream": chat_stream,
    "chat-poll": chat_poll,
    "chat-cancel": chat_cancel,
    "chat-tools": chat_tools,
    "run": run,
    "run-async": run_async,
    "run-stream": run_stream,
    "run-resume": run_resume,
    "chatflow": chatflow,
    "history": history,
    "conversations": conversations,
    "messages": list_messages,
    "files": files,
    "bots": bots,
    "whoami": whoami,
    "speech": speech,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--key", help="a key, unless --app-id names an OAuth JWT app")
    parser.add_argument("--app-id")
    parser.add_argument("--kid")
    parser.add_argument("--private-key", help="the file of the app's private key, in PEM")
    parser.add_argument("--do", required=True, choices=sorted(DOINGS))
    parser.add_argument("--bot-id")
    parser.add_argument("--workflow-id")
    parser.add_argument("--text", default="Hello")
    parser.add_argument("--user-id", default="user-1")
    parser.add_argument("--conversation-id")
    parser.add_argument("--execute-id")
    parser.add_argument("--polls-max", type=int, default=100)
    parser.add_argument("--timeout-ms", type=int, default=60_000)
    return parser.parse_args()


def authentication(options):
    """A key, or what the library makes of an OAuth JWT app: tokens that it asks for by itself."""
    if options.app_id is None:
        return TokenAuth(options.key)
    with open(options.private_key, encoding="utf-8") as file:
        private_key = file.read()
    app = JWTOAuthApp(options.app_id, private_key, options.kid, base_url=options.base_url)
    return JWTAuth(oauth_app=app)


def main():
    options = arguments()
    timeout = httpx.Timeout(options.timeout_ms / 1000)
    coze = Coze(
        auth=authentication(options),
        base_url=options.base_url,
        http_client=SyncHTTPClient(timeout=timeout),
    )
    seen = Seen(options.do)
    code = 0
    try:
        DOINGS[options.do](coze, options, seen)
    except CozeAPIError as error:
        code = 3
        seen.set(error={"class": "CozeAPIError", "code": error.code, "msg": error.msg, "status": None})
        seen.set(logid=error.logid)
    except Exception as error:  # the story judges what the library made of a broken answer
        code = 4
        name = type(error).__name__
        seen.set(error={"class": name, "code": None, "msg": str(error), "status": None})
    print(json.dumps(seen.result, ensure_ascii=False))
    return code


if __name__ == "__main__":
    sys.exit(main())
