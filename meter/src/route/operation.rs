//! What is paid for, and how its replies read.

use std::fmt;

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
