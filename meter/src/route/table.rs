//! The table itself: the contract's §1 as data.

use super::whose::{CHAT, CONVERSATION, EXECUTION, FILE};
use super::{Class, FollowUp, Kind, Method, Operation, Own, Right, Route};

const GET: &[Method] = &[Method::Get];
const POST: &[Method] = &[Method::Post];
const PUT: &[Method] = &[Method::Put];
const DELETE: &[Method] = &[Method::Delete];
const GET_POST: &[Method] = &[Method::Get, Method::Post];
const PUT_DELETE: &[Method] = &[Method::Put, Method::Delete];
const POST_DELETE: &[Method] = &[Method::Post, Method::Delete];

const fn billable(path: &'static str, operation: Operation) -> Route {
    Route { methods: POST, path, class: Class::Billable(operation) }
}

const fn socket(path: &'static str, operation: Operation) -> Route {
    Route { methods: GET, path, class: Class::Socket(operation) }
}

const fn follow_up(methods: &'static [Method], path: &'static str, what: FollowUp) -> Route {
    Route { methods, path, class: Class::FollowUp(what) }
}

const fn own(methods: &'static [Method], path: &'static str, own: Own) -> Route {
    Route { methods, path, class: Class::Own(own) }
}

const fn about(methods: &'static [Method], path: &'static str, kinds: &'static [Kind]) -> Route {
    own(methods, path, Own::About(kinds))
}

const fn common(path: &'static str) -> Route {
    Route { methods: GET, path, class: Class::Common }
}

const fn reads(methods: &'static [Method], path: &'static str) -> Route {
    Route { methods, path, class: Class::Operator(Right::OperatorRead) }
}

const fn changes(methods: &'static [Method], path: &'static str) -> Route {
    Route { methods, path, class: Class::Operator(Right::OperatorChange) }
}

/// Every route that is served, in the contract's order.
pub const ROUTES: &[Route] = &[
    // §1.1: work that is paid for.
    billable("/v3/chat", Operation::Chat),
    billable("/v3/chat/submit_tool_outputs", Operation::ToolOutputs),
    billable("/v1/workflow/run", Operation::WorkflowRun),
    billable("/v1/workflow/stream_run", Operation::WorkflowStreamRun),
    billable("/v1/workflow/stream_resume", Operation::WorkflowStreamResume),
    billable("/v1/workflows/resume", Operation::WorkflowResume),
    billable("/v1/workflows/chat", Operation::Chatflow),
    billable("/v1/audio/speech", Operation::AudioSpeech),
    billable("/v1/audio/transcriptions", Operation::AudioTranscription),
    billable("/v1/audio/rooms", Operation::AudioRoom),
    billable("/v1/audio/voices/clone", Operation::VoiceClone),
    billable("/v1/plugins/{}/tools/call", Operation::PluginTool),
    socket("/v1/chat", Operation::ChatSocket),
    socket("/v1/audio/speech", Operation::SpeechSocket),
    socket("/v1/audio/transcriptions", Operation::TranscriptionSocket),
    socket("/v1/audio/simult_interpretation", Operation::InterpretationSocket),
    // §1.2: how it went. The official SDKs retrieve by POST, the documentation by GET.
    follow_up(GET_POST, "/v3/chat/retrieve", FollowUp::ChatRetrieve),
    follow_up(GET, "/v1/workflows/{}/run_histories/{}", FollowUp::RunHistory),
    about(POST, "/v3/chat/cancel", CHAT),
    about(GET_POST, "/v3/chat/message/list", CHAT),
    about(GET, "/v1/workflows/{}/run_histories/{}/execute_nodes/{}", EXECUTION),
    // §1.3: free of charge.
    common("/v1/users/me"),
    changes(POST, "/v1/bot/create"),
    changes(POST, "/v1/bot/update"),
    changes(POST, "/v1/bot/publish"),
    common("/v1/bot/get_online_info"),
    common("/v1/space/published_bots_list"),
    common("/v1/bots"),
    common("/v1/bots/{}"),
    common("/v1/bots/{}/versions"),
    changes(POST, "/v1/bots/{}/unpublish"),
    changes(POST, "/v1/bots/{}/collaborators"),
    changes(POST, "/v1/bots/{}/collaboration_mode"),
    changes(DELETE, "/v1/bots/{}/collaborators/{}"),
    common("/v1/apps"),
    changes(POST, "/v1/apps/{}/collaborators"),
    changes(DELETE, "/v1/apps/{}/collaborators/{}"),
    common("/v1/workflows"),
    common("/v1/workflows/{}"),
    common("/v1/workflows/{}/versions"),
    changes(POST, "/v1/workflows/{}/collaborators"),
    changes(POST, "/v1/workflows/{}/collaboration_mode"),
    own(POST, "/v1/conversation/create", Own::MakesConversation),
    about(GET, "/v1/conversation/retrieve", CONVERSATION),
    reads(GET, "/v1/conversations"),
    about(PUT_DELETE, "/v1/conversations/{}", CONVERSATION),
    about(POST, "/v1/conversations/{}/clear", CONVERSATION),
    about(POST, "/v1/conversation/message/create", CONVERSATION),
    about(POST, "/v1/conversation/message/list", CONVERSATION),
    about(POST, "/v1/conversation/message/modify", CONVERSATION),
    about(POST, "/v1/conversation/message/delete", CONVERSATION),
    about(GET, "/v1/conversation/message/retrieve", CONVERSATION),
    about(POST_DELETE, "/v1/conversations/{}/messages/{}/feedback", CONVERSATION),
    own(POST, "/v1/files/upload", Own::MakesFile),
    about(GET, "/v1/files/retrieve", FILE),
    common("/v1/audio/voices"),
    common("/v1/audio/live/{}"),
    reads(GET, "/v1/audio/voiceprint_groups"),
    changes(POST, "/v1/audio/voiceprint_groups"),
    changes(PUT_DELETE, "/v1/audio/voiceprint_groups/{}"),
    reads(GET, "/v1/audio/voiceprint_groups/{}/features"),
    changes(POST, "/v1/audio/voiceprint_groups/{}/features"),
    changes(PUT_DELETE, "/v1/audio/voiceprint_groups/{}/features/{}"),
    reads(POST, "/v1/audio/voiceprint_groups/{}/speaker_identify"),
    reads(GET, "/v1/datasets"),
    changes(POST, "/v1/datasets"),
    changes(PUT_DELETE, "/v1/datasets/{}"),
    reads(POST, "/v1/datasets/{}/process"),
    reads(GET, "/v1/datasets/{}/images"),
    changes(PUT, "/v1/datasets/{}/images/{}"),
    changes(POST, "/open_api/knowledge/document/create"),
    reads(POST, "/open_api/knowledge/document/list"),
    changes(POST, "/open_api/knowledge/document/update"),
    changes(POST, "/open_api/knowledge/document/delete"),
    reads(GET, "/v1/variables"),
    changes(PUT, "/v1/variables"),
    reads(GET, "/v1/folders"),
    reads(GET, "/v1/folders/{}"),
    changes(POST, "/v1/templates/{}/duplicate"),
    reads(GET, "/v1/workspaces"),
    changes(POST, "/v1/workspaces"),
    changes(PUT, "/v1/workspaces/{}"),
    reads(GET, "/v1/workspaces/{}/members"),
    changes(POST_DELETE, "/v1/workspaces/{}/members"),
    common("/v1/plugins/mget"),
    common("/v1/plugins/{}"),
    common("/v1/stores/plugins"),
    common("/v1/stores/categories"),
    changes(POST, "/v1/entities/copy_tasks"),
    reads(GET, "/v1/entities/copy_tasks/{}"),
    changes(POST, "/v1/connectors/{}/install"),
    changes(POST, "/v1/connectors/{}/user_configs"),
    changes(PUT, "/v1/connectors/{}/bots/{}"),
];
