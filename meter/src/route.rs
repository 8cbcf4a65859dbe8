//! Which paths exist, and what each one is to us.
//!
//! The table is the contract's §1 as data, and it is default-deny: a path and method that are not in it
//! never reach upstream. Matching is exact. The shell hands over the path as the platform's URL parser
//! left it (dot segments resolved) and forwards that very path, so that what was classed is what is
//! called; anything that could be read in two ways (`%`, `//`, a backslash, a trailing slash) matches
//! nothing.

mod whose;

use std::fmt;

pub use whose::{Kind, Own, Right, is_scope_word};

/// Longest path that is looked at, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// A billable operation: the rows of contract §1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `POST /v3/chat`, streamed or not.
    Chat,
    /// `POST /v3/chat/submit_tool_outputs`: a chat that waited for its tools goes on.
    ToolOutputs,
    /// `POST /v1/workflow/run`, synchronous or not.
    WorkflowRun,
    /// `POST /v1/workflow/stream_run`.
    WorkflowStreamRun,
    /// `POST /v1/workflow/stream_resume`: an interrupted run goes on.
    WorkflowStreamResume,
    /// `POST /v1/workflows/resume`: the same, without a stream.
    WorkflowResume,
    /// `POST /v1/workflows/chat`: a chatflow.
    Chatflow,
    /// `POST /v1/audio/speech`: text to audio.
    AudioSpeech,
    /// `POST /v1/audio/transcriptions`: audio to text.
    AudioTranscription,
    /// `POST /v1/audio/rooms`: a voice room, which bypasses us once it is made.
    AudioRoom,
    /// `POST /v1/audio/voices/clone`.
    VoiceClone,
    /// `POST /v1/plugins/{plugin}/tools/call`.
    PluginTool,
    /// The websocket `/v1/chat`: one call for each of its chats.
    ChatSocket,
    /// The websocket `/v1/audio/speech`.
    SpeechSocket,
    /// The websocket `/v1/audio/transcriptions`.
    TranscriptionSocket,
    /// The websocket `/v1/audio/simult_interpretation`.
    InterpretationSocket,
    /// Dify's `POST /chat-messages`: a turn of a chat, an agent or a chatflow.
    DifyChat,
    /// Dify's `POST /completion-messages`: a text generator.
    DifyCompletion,
    /// Dify's `POST /workflows/run`, and the same for one pinned version.
    DifyWorkflow,
    /// Dify's `GET /messages/{id}/suggested`: a model makes up what could be asked next.
    DifySuggested,
    /// Dify's `POST /audio-to-text`.
    DifyAudioToText,
    /// Dify's `POST /text-to-audio`.
    DifyTextToAudio,
}

/// Whose the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Coze.
    Coze,
    /// Dify.
    Dify,
}

impl Provider {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coze => "coze",
            Self::Dify => "dify",
        }
    }

    /// The provider with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Coze, Self::Dify].into_iter().find(|provider| provider.name() == name)
    }
}

impl Operation {
    /// Every operation, for tables and tests.
    pub const ALL: [Self; 22] = [
        Self::Chat,
        Self::ToolOutputs,
        Self::WorkflowRun,
        Self::WorkflowStreamRun,
        Self::WorkflowStreamResume,
        Self::WorkflowResume,
        Self::Chatflow,
        Self::AudioSpeech,
        Self::AudioTranscription,
        Self::AudioRoom,
        Self::VoiceClone,
        Self::PluginTool,
        Self::ChatSocket,
        Self::SpeechSocket,
        Self::TranscriptionSocket,
        Self::InterpretationSocket,
        Self::DifyChat,
        Self::DifyCompletion,
        Self::DifyWorkflow,
        Self::DifySuggested,
        Self::DifyAudioToText,
        Self::DifyTextToAudio,
    ];

    /// The stable name, as in keys' scopes, price books and entries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::ToolOutputs => "tool_outputs",
            Self::WorkflowRun => "workflow_run",
            Self::WorkflowStreamRun => "workflow_stream_run",
            Self::WorkflowStreamResume => "workflow_stream_resume",
            Self::WorkflowResume => "workflow_resume",
            Self::Chatflow => "chatflow",
            Self::AudioSpeech => "audio_speech",
            Self::AudioTranscription => "audio_transcription",
            Self::AudioRoom => "audio_room",
            Self::VoiceClone => "voice_clone",
            Self::PluginTool => "plugin_tool",
            Self::ChatSocket => "chat_socket",
            Self::SpeechSocket => "speech_socket",
            Self::TranscriptionSocket => "transcription_socket",
            Self::InterpretationSocket => "interpretation_socket",
            Self::DifyChat => "dify_chat",
            Self::DifyCompletion => "dify_completion",
            Self::DifyWorkflow => "dify_workflow",
            Self::DifySuggested => "dify_suggested",
            Self::DifyAudioToText => "dify_audio_to_text",
            Self::DifyTextToAudio => "dify_text_to_audio",
        }
    }

    /// The operation with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Who does the work.
    pub const fn provider(self) -> Provider {
        match self {
            Self::Chat
            | Self::ToolOutputs
            | Self::WorkflowRun
            | Self::WorkflowStreamRun
            | Self::WorkflowStreamResume
            | Self::WorkflowResume
            | Self::Chatflow
            | Self::AudioSpeech
            | Self::AudioTranscription
            | Self::AudioRoom
            | Self::VoiceClone
            | Self::PluginTool
            | Self::ChatSocket
            | Self::SpeechSocket
            | Self::TranscriptionSocket
            | Self::InterpretationSocket => Provider::Coze,
            Self::DifyChat
            | Self::DifyCompletion
            | Self::DifyWorkflow
            | Self::DifySuggested
            | Self::DifyAudioToText
            | Self::DifyTextToAudio => Provider::Dify,
        }
    }

    /// Whether upstream says how many tokens it used. The others are billed in units of their own, and
    /// are refused while they have no price: a per-token price would make them free by accident.
    pub const fn counts_tokens(self) -> bool {
        match self {
            Self::Chat
            | Self::ToolOutputs
            | Self::WorkflowRun
            | Self::WorkflowStreamRun
            | Self::WorkflowStreamResume
            | Self::WorkflowResume
            | Self::Chatflow
            | Self::ChatSocket
            | Self::DifyChat
            | Self::DifyCompletion
            | Self::DifyWorkflow => true,
            Self::AudioSpeech
            | Self::AudioTranscription
            | Self::AudioRoom
            | Self::VoiceClone
            | Self::PluginTool
            | Self::SpeechSocket
            | Self::TranscriptionSocket
            | Self::InterpretationSocket
            | Self::DifySuggested
            | Self::DifyAudioToText
            | Self::DifyTextToAudio => false,
        }
    }

    /// Whether its request is a form with a file. All others are JSON.
    pub const fn takes_form(self) -> bool {
        matches!(self, Self::AudioTranscription | Self::VoiceClone | Self::DifyAudioToText)
    }

    /// Whether upstream's bill can name its calls: those that take a stamp (contract §1.4).
    pub const fn takes_stamp(self) -> bool {
        match self {
            Self::Chat
            | Self::WorkflowRun
            | Self::WorkflowStreamRun
            | Self::WorkflowStreamResume
            | Self::Chatflow
            | Self::AudioSpeech
            | Self::AudioTranscription
            | Self::AudioRoom => true,
            Self::ToolOutputs
            | Self::WorkflowResume
            | Self::VoiceClone
            | Self::PluginTool
            | Self::ChatSocket
            | Self::SpeechSocket
            | Self::TranscriptionSocket
            | Self::InterpretationSocket
            | Self::DifyChat
            | Self::DifyCompletion
            | Self::DifyWorkflow
            | Self::DifySuggested
            | Self::DifyAudioToText
            | Self::DifyTextToAudio => false,
        }
    }

    /// How its reply reads.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::ToolOutputs | Self::Chatflow | Self::ChatSocket => Dialect::Chat,
            Self::WorkflowRun
            | Self::WorkflowStreamRun
            | Self::WorkflowStreamResume
            | Self::WorkflowResume => Dialect::Workflow,
            Self::AudioSpeech
            | Self::AudioTranscription
            | Self::AudioRoom
            | Self::VoiceClone
            | Self::PluginTool
            | Self::SpeechSocket
            | Self::TranscriptionSocket
            | Self::InterpretationSocket
            | Self::DifySuggested
            | Self::DifyAudioToText
            | Self::DifyTextToAudio => Dialect::Plain,
            Self::DifyChat | Self::DifyCompletion | Self::DifyWorkflow => Dialect::Dify,
        }
    }
}

/// How a reply reads (contract §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chats: events named `conversation.*`, a chat object in JSON.
    Chat,
    /// Workflows: events named `Message` and `Done`, usage at the top of JSON.
    Workflow,
    /// Dify: data alone, each event named by a field of its JSON (contract §7.2).
    Dify,
    /// Nothing but success or failure.
    Plain,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A call that starts no work but tells how earlier work went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowUp {
    /// `/v3/chat/retrieve`: status and usage of a chat.
    ChatRetrieve,
    /// `/v1/workflows/{workflow}/run_histories/{execution}`: status and usage of a run.
    RunHistory,
    /// `/workflows/run/{run}` of Dify's door: the same.
    DifyRun,
}

impl FollowUp {
    /// What it has to name.
    pub const fn about(self) -> &'static [Kind] {
        match self {
            Self::ChatRetrieve => CHAT,
            Self::RunHistory => EXECUTION,
            // Whose it is, the door has asked.
            Self::DifyRun => &[],
        }
    }
}

/// What a path is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Starts work that is paid for: admitted, metered, settled.
    Billable(Operation),
    /// Opens a websocket in which work is paid for.
    Socket(Operation),
    /// Passed on, and read for the usage of earlier work.
    FollowUp(FollowUp),
    /// Costs nothing, and is about what an account made: passed on for the account that made it.
    Own(Own),
    /// Costs nothing, and is the same for everybody: passed on for a valid key.
    Common,
    /// Costs nothing, and is about what belongs to the operator or was made by several accounts: passed
    /// on for a key whose scope names this right.
    Operator(Right),
}

/// An HTTP method that the table uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// The method as it stands in a request line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The method as it stands in a request line, when the table knows it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The methods it is served under.
    pub methods: &'static [Method],
    /// The path; `{}` stands for one segment.
    pub path: &'static str,
    /// What it is to us.
    pub class: Class,
}

impl fmt::Display for Route {
    /// One line of the table: methods, path, class.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
        let (class, operation) = match self.class {
            Class::Billable(operation) => ("billable", operation.name()),
            Class::Socket(operation) => ("billable websocket", operation.name()),
            Class::FollowUp(FollowUp::ChatRetrieve) => ("follow-up", "chat"),
            Class::FollowUp(FollowUp::RunHistory | FollowUp::DifyRun) => ("follow-up", "run"),
            Class::Own(_) => ("own", ""),
            Class::Common => ("common", ""),
            Class::Operator(right) => ("operator", right.name()),
        };
        let path = self.path.replace("{}", "{id}");
        write!(f, "| {} | `{path}` | {class} | {operation} |", methods.join(" "))
    }
}

/// The class of a path and method; `None` when it is not served.
pub fn classify(method: &str, path: &str) -> Option<Class> {
    let method = Method::from_name(method)?;
    if !is_plain(path) {
        return None;
    }
    ROUTES
        .iter()
        .find(|route| route.methods.contains(&method) && matches(route.path, path))
        .map(|route| route.class)
}

/// Whether a path can be read in one way only, and is not too long to be looked at.
pub(crate) fn is_plain(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX && path.bytes().all(is_path_byte)
}

/// Bytes that mean only themselves. No `%`, so that nothing can be decoded into something else later.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-')
}

/// Whether a path is of this pattern, in which `{}` stands for one segment.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(want), Some(segment)) if want == segment => {}
            _ => return false,
        }
    }
}

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

// What a request about earlier work has to name. A chat is named with its conversation, a message in it.
const CONVERSATION: &[Kind] = &[Kind::Conversation];
const CHAT: &[Kind] = &[Kind::Conversation, Kind::Chat];
const EXECUTION: &[Kind] = &[Kind::Execution];
const FILE: &[Kind] = &[Kind::File];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, want: Option<Class>) {
        assert_eq!(classify(method, path), want, "{method} {path}");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "/",
            "v3/chat",
            "//v3/chat",
            "/v3//chat",
            "/v3/chat/",
            "/v3/./chat",
            "/v3/../v3/chat",
            "/V3/chat",
            "/v3%2fchat",
            "/v3/ch%61t",
            "/v3\\chat",
            "/v3/chat;a=b",
            "/v3/chat?x",
            "https://evil.example/v3/chat",
            "/v1/bots//versions",
            "/v3/chat\0",
            "/v3/chät",
        ] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                check(method, path, None);
            }
        }
        let bot = |bytes: usize| format!("/v1/bots/{}", "7".repeat(bytes - "/v1/bots/".len()));
        assert!(classify("GET", &bot(PATH_BYTES_MAX)).is_some());
        assert!(classify("GET", &bot(PATH_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_method_that_is_not_in_the_table_is_refused() {
        check("GET", "/v3/chat", None);
        check("POST", "/v1/chat", None);
        check("PATCH", "/v3/chat", None);
        check("post", "/v3/chat", None);
        check("DELETE", "/v3/chat/retrieve", None);
    }

    #[test]
    fn the_served_paths_have_their_class() {
        check("POST", "/v3/chat", Some(Class::Billable(Operation::Chat)));
        check("POST", "/v1/workflow/run", Some(Class::Billable(Operation::WorkflowRun)));
        check("GET", "/v3/chat/retrieve", Some(Class::FollowUp(FollowUp::ChatRetrieve)));
        check("POST", "/v3/chat/retrieve", Some(Class::FollowUp(FollowUp::ChatRetrieve)));
        check(
            "GET",
            "/v1/workflows/7480/run_histories/7502",
            Some(Class::FollowUp(FollowUp::RunHistory)),
        );
        check("GET", "/v1/bots/7490", Some(Class::Common));
        check("GET", "/v1/conversations", Some(Class::Operator(Right::OperatorRead)));
        check("DELETE", "/v1/conversations/7", Some(Class::Own(Own::About(CONVERSATION))));
    }

    #[test]
    fn no_two_rows_serve_the_same_method_and_path() {
        for (at, one) in ROUTES.iter().enumerate() {
            for other in ROUTES.iter().skip(at + 1) {
                let overlap = one.methods.iter().any(|method| other.methods.contains(method));
                assert!(!(overlap && one.path == other.path), "{} twice", one.path);
            }
        }
    }
}
