// Drives the unchanged JavaScript library of Coze (@coze/api) once and prints one line of JSON.
//
// Only the base URL and the key differ from what a user of the library writes. See README.md for the
// exit codes.

import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { APIError, CozeAPI, RoleType, getJWTToken } from '@coze/api';

const POLL_MS = 200;
const TOOL_OUTPUT = 'sunny';
const RESUME_DATA = 'Hangzhou';

const OPTIONS = {
  'base-url': { type: 'string' },
  key: { type: 'string' },
  'app-id': { type: 'string' },
  kid: { type: 'string' },
  'private-key': { type: 'string' },
  do: { type: 'string' },
  'bot-id': { type: 'string' },
  'workflow-id': { type: 'string' },
  text: { type: 'string', default: 'Hello' },
  'user-id': { type: 'string', default: 'user-1' },
  'conversation-id': { type: 'string' },
  'execute-id': { type: 'string' },
  'polls-max': { type: 'string', default: '100' },
  'timeout-ms': { type: 'string', default: '60000' },
};

/** What the library gave so far, kept even when it throws half-way. */
const seen = { events: [], text: '' };

function set(facts) {
  for (const [name, fact] of Object.entries(facts)) {
    if (fact !== undefined && fact !== null) seen[name] = fact;
  }
}

function noteChat(chat) {
  set({
    chat_id: chat.id,
    conversation_id: chat.conversation_id,
    status: chat.status,
    usage: chat.usage,
    last_error: chat.last_error?.code ? chat.last_error : undefined,
  });
}

const DATA_IS_A_CHAT = /^conversation\.chat\./;

/** Reads a chat or chatflow stream to its end; gives the tool calls it asks for. */
async function readChat(stream) {
  let calls = [];
  for await (const { event, data } of stream) {
    seen.events.push(event);
    if (DATA_IS_A_CHAT.test(event)) {
      noteChat(data);
      calls = data.required_action?.submit_tool_outputs?.tool_calls ?? calls;
    } else if (event === 'conversation.message.delta') {
      seen.text += data.content;
    } else if (event === 'error') {
      set({ stream_error: data });
    } else if (!event.startsWith('conversation.') && event !== 'done') {
      seen.unknown = [...(seen.unknown ?? []), { event, data }];
    }
  }
  return calls;
}

const WORKFLOW_EVENTS = ['Message', 'Error', 'Done', 'Interrupt'];

/** Reads a workflow stream to its end; gives the question it stopped with. */
async function readWorkflow(stream) {
  let question;
  for await (const { event, data } of stream) {
    seen.events.push(event);
    if (event === 'Message') {
      seen.text += data.content;
      set({ usage: data.usage });
    } else if (event === 'Interrupt') {
      question = data.interrupt_data;
      set({ event_id: question.event_id });
    } else if (event === 'Error') {
      set({ stream_error: data });
    } else if (!WORKFLOW_EVENTS.includes(event)) {
      seen.unknown = [...(seen.unknown ?? []), { event, data }];
    }
    set({ debug_url: data?.debug_url });
  }
  return question;
}

function noteRun(run) {
  set({
    data: run.data,
    debug_url: run.debug_url,
    execute_id: run.execute_id,
    usage: run.usage,
    code: run.code,
  });
}

function noteHistory(history) {
  set({
    execute_id: history.execute_id,
    status: history.execute_status,
    data: history.output,
    usage: history.usage,
    error_code: history.error_code || undefined,
  });
}

const question = (options) => [
  { role: RoleType.User, content: options.text, content_type: 'text' },
];

const chatArguments = (options) => ({
  bot_id: options['bot-id'],
  user_id: options['user-id'],
  conversation_id: options['conversation-id'],
  additional_messages: question(options),
});

const runArguments = (options) => ({
  workflow_id: options['workflow-id'],
  parameters: { input: options.text },
});

const DOINGS = {
  async 'chat-stream'(coze, options) {
    await readChat(coze.chat.stream(chatArguments(options)));
  },

  async 'chat-poll'(coze, options) {
    const { chat, messages } = await coze.chat.createAndPoll(chatArguments(options));
    noteChat(chat);
    for (const message of messages) if (message.type === 'answer') seen.text += message.content;
  },

  async 'chat-cancel'(coze, options) {
    const created = await coze.chat.create(chatArguments(options));
    noteChat(created);
    noteChat(await coze.chat.cancel(created.conversation_id, created.id));
    noteChat(await coze.chat.retrieve(created.conversation_id, created.id));
  },

  async 'chat-tools'(coze, options) {
    const calls = await readChat(coze.chat.stream(chatArguments(options)));
    const outputs = calls.map((call) => ({ tool_call_id: call.id, output: TOOL_OUTPUT }));
    const stream = coze.chat.submitToolOutputs({
      conversation_id: seen.conversation_id,
      chat_id: seen.chat_id,
      tool_outputs: outputs,
      stream: true,
    });
    await readChat(stream);
  },

  async run(coze, options) {
    noteRun(await coze.workflows.runs.create(runArguments(options)));
  },

  async 'run-async'(coze, options) {
    const started = await coze.workflows.runs.create({ ...runArguments(options), is_async: true });
    noteRun(started);
    for (let poll = 1; poll <= Number(options['polls-max']); poll += 1) {
      const { workflow_id: workflowId } = runArguments(options);
      const [history] = await coze.workflows.runs.history(workflowId, started.execute_id);
      noteHistory(history);
      set({ polls: poll });
      if (history.execute_status !== 'Running') return;
      await sleep(POLL_MS);
    }
  },

  async 'run-stream'(coze, options) {
    await readWorkflow(coze.workflows.runs.stream(runArguments(options)));
  },

  async 'run-resume'(coze, options) {
    const asked = await readWorkflow(coze.workflows.runs.stream(runArguments(options)));
    if (!asked) return;
    const stream = coze.workflows.runs.resume({
      workflow_id: options['workflow-id'],
      event_id: asked.event_id,
      resume_data: RESUME_DATA,
      interrupt_type: asked.type,
    });
    await readWorkflow(stream);
  },

  async chatflow(coze, options) {
    const stream = coze.workflows.chat.stream({
      workflow_id: options['workflow-id'],
      bot_id: options['bot-id'],
      conversation_id: options['conversation-id'],
      additional_messages: question(options),
      parameters: {},
    });
    await readChat(stream);
  },

  async history(coze, options) {
    const workflowId = options['workflow-id'];
    const [history] = await coze.workflows.runs.history(workflowId, options['execute-id']);
    noteHistory(history);
  },

  async conversations(coze, options) {
    const bot = options['bot-id'];
    const created = await coze.conversations.create({ messages: question(options), bot_id: bot });
    const found = await coze.conversations.retrieve(created.id);
    set({ conversation_id: found.id });
    if (bot) {
      const { conversations } = await coze.conversations.list({ bot_id: bot });
      set({ conversations: conversations.map(({ id }) => id) });
    }
  },

  async messages(coze, options) {
    const listed = await coze.conversations.messages.list(options['conversation-id'], {
      order: 'asc',
    });
    set({ messages: listed.data.map(({ role, content }) => [role, content]) });
  },

  async files(coze, options) {
    // In Node the library takes a stream of a file on disk.
    const folder = await mkdtemp(join(tmpdir(), 'coze-js-'));
    try {
      const path = join(folder, 'note.txt');
      await writeFile(path, options.text);
      const uploaded = await coze.files.upload({ file: createReadStream(path) });
      const found = await coze.files.retrieve(uploaded.id);
      set({ file_id: found.id, file_name: found.file_name, bytes: found.bytes });
    } finally {
      await rm(folder, { recursive: true });
    }
  },

  async bots(coze, options) {
    const bot = await coze.bots.retrieve({ bot_id: options['bot-id'] });
    const listed = await coze.bots.list({ space_id: '1' });
    set({ bot_id: bot.bot_id, bots: listed.space_bots.map(({ bot_id: id }) => id) });
  },

  async whoami(coze) {
    const user = await coze.users.me();
    set({ user_id: user.user_id, user_name: user.user_name });
  },

  async speech(coze, options) {
    const audio = await coze.audio.speech.create({ input: options.text, voice_id: 'voice_1' });
    set({ bytes: audio.byteLength ?? audio.length });
  },

  async 'ws-chat'(coze, options) {
    const socket = await coze.websockets.chat.create(
      { bot_id: options['bot-id'] },
      { maxRetries: 0 },
    );
    const ended = ['conversation.chat.completed', 'conversation.chat.failed', 'error'];
    await new Promise((resolve, reject) => {
      socket.onerror = (error) => reject(new Error(error.data?.msg ?? 'websocket error'));
      socket.onclose = () => reject(new Error('websocket closed'));
      socket.onopen = () => {
        socket.send({ id: '1', event_type: 'chat.update', data: { chat_config: { user_id: options['user-id'] } } });
        const data = { role: 'user', content_type: 'text', content: options.text };
        socket.send({ id: '2', event_type: 'conversation.message.create', data });
      };
      socket.onmessage = ({ event_type: event, data }) => {
        seen.events.push(event);
        if (DATA_IS_A_CHAT.test(event)) noteChat(data);
        if (event === 'conversation.message.delta') seen.text += data.content;
        if (event === 'error') set({ stream_error: data });
        if (ended.includes(event)) resolve();
      };
    });
    socket.onclose = null;
    socket.close();
  },
};

/** The websocket base of an HTTP base. */
const websocketUrl = (url) => url.replace(/^http/, 'ws');

/** A key, or the token that the library gets for an OAuth JWT app. Its users name Coze's audience. */
async function token(options) {
  if (!options['app-id']) return options.key;
  const { access_token: granted, expires_in: expiresIn } = await getJWTToken({
    baseURL: options['base-url'],
    appId: options['app-id'],
    aud: 'api.coze.cn',
    keyid: options.kid,
    privateKey: await readFile(options['private-key'], 'utf8'),
    sessionName: 'alice',
  });
  set({ expires_in: expiresIn });
  return granted;
}

async function main() {
  const { values: given } = parseArgs({ options: OPTIONS });
  const doing = DOINGS[given.do];
  if (!doing || !given['base-url'] || !(given.key ?? given['app-id'])) {
    process.stderr.write(`--base-url, --key and --do, one of: ${Object.keys(DOINGS).join(', ')}\n`);
    return 2;
  }
  set({ do: given.do });
  let code = 0;
  try {
    const coze = new CozeAPI({
      baseURL: given['base-url'],
      baseWsURL: websocketUrl(given['base-url']),
      token: await token(given),
      axiosOptions: { timeout: Number(given['timeout-ms']) },
    });
    await doing(coze, given);
  } catch (error) {
    const known = error instanceof APIError;
    code = known ? 3 : 4;
    const { status = null, code: business = null, msg = error.message } = known ? error : {};
    set({ error: { class: error.constructor.name, code: business, msg, status } });
    set({ logid: known ? error.logid : undefined });
  }
  process.stdout.write(`${JSON.stringify(seen)}\n`);
  return code;
}

process.exitCode = await main();
