//! The replies in `test_data`, and how those of each dialect are read.
//!
//! A folder is a dialect; a `.sse` file in it is a stream, a `.json` file a whole reply, whatever is in
//! it. Beside each stands an `.expect` file with what must be read out of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use meter::sse::Event;
use meter::usage::coze_chat::ChatStream;
use meter::usage::coze_workflow::WorkflowStream;
use meter::usage::dify::DifyStream;
use meter::usage::{Observed, Usage};

/// Whose reply it is; named as its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat,
    Chatflow,
    Dify,
    DifyRun,
    History,
    Retrieve,
    Run,
    Workflow,
}

impl Dialect {
    const ALL: [(&'static str, Self); 8] = [
        ("coze_chat", Self::Chat),
        ("coze_chatflow", Self::Chatflow),
        ("dify", Self::Dify),
        ("dify_run", Self::DifyRun),
        ("coze_history", Self::History),
        ("coze_retrieve", Self::Retrieve),
        ("coze_run", Self::Run),
        ("coze_workflow", Self::Workflow),
    ];

    fn of_folder(folder: &str) -> Self {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == folder);
        found.unwrap_or_else(|| panic!("test_data/{folder} is no dialect")).1
    }

    /// A reader at the start of a stream.
    pub(crate) fn read_stream(self) -> StreamReading {
        match self {
            Self::Chat | Self::Chatflow => StreamReading::Chat(ChatStream::new()),
            Self::Workflow => StreamReading::Workflow(WorkflowStream::new()),
            Self::Dify => StreamReading::Dify(DifyStream::new()),
            Self::DifyRun | Self::History | Self::Retrieve | Self::Run => {
                panic!("{self:?} is never streamed")
            }
        }
    }
}

/// The reader of a stream.
pub(crate) enum StreamReading {
    Chat(ChatStream),
    Workflow(WorkflowStream),
    Dify(DifyStream),
}

impl StreamReading {
    pub(crate) fn take(&mut self, event: Event<'_>) {
        match self {
            Self::Chat(chat) => chat.take(event),
            Self::Workflow(workflow) => workflow.take(event),
            Self::Dify(dify) => dify.take(event),
        }
    }

    pub(crate) fn finish(self) -> Observed {
        match self {
            Self::Chat(chat) => chat.finish(),
            Self::Workflow(workflow) => workflow.finish(),
            Self::Dify(dify) => dify.finish(),
        }
    }
}

/// One reply.
pub(crate) struct Case {
    pub(crate) dialect: Dialect,
    pub(crate) is_stream: bool,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// Every reply in `test_data`, in the order of their names.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = files().iter().filter_map(|path| case(path)).collect();
    cases.sort_by(|one, other| one.path.cmp(&other.path));
    cases
}

/// Every file in the dialects' folders.
pub(crate) fn files() -> Vec<PathBuf> {
    let folders = Dialect::ALL.iter().map(|(name, _)| root().join(name));
    folders.flat_map(|folder| inside(&folder)).collect()
}

fn case(path: &Path) -> Option<Case> {
    let is_stream = match extension(path) {
        "sse" => true,
        "json" => false,
        _ => return None,
    };
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let dialect = Dialect::of_folder(folder.unwrap_or_default());
    let bytes = std::fs::read(path).expect("a file that was just listed");
    Some(Case { dialect, is_stream, path: path.to_owned(), bytes })
}

/// What was read, one fact a line; what was not read has no line.
pub(crate) fn describe(observed: &Observed) -> String {
    let Observed { stage, usage, code, ids, usage_fell } = observed;
    let mut text = String::new();
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{key}: {value}");
        }
    };
    let yes = |is_so: bool| is_so.then(|| "yes".to_owned());
    line("stage", Some(stage.name().to_owned()));
    line("code", code.map(|code| code.to_string()));
    line("input", usage.and_then(|usage| usage.input).map(|count| count.to_string()));
    line("output", usage.and_then(|usage| usage.output).map(|count| count.to_string()));
    line("total", usage.map(|usage| usage.total.to_string()));
    let cost = usage.and_then(|usage| usage.cost);
    line("cost", cost.map(|cost| format!("{} {}", cost.amount.in_currency(), cost.currency)));
    line("mismatched", yes(usage.is_some_and(Usage::is_mismatched)));
    line("usage_fell", yes(*usage_fell));
    line("chat", ids.chat.as_ref().map(ToString::to_string));
    line("conversation", ids.conversation.as_ref().map(ToString::to_string));
    line("execution", ids.execution.as_ref().map(ToString::to_string));
    line("log", ids.log.as_ref().map(ToString::to_string));
    text
}

pub(crate) fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// The path from `test_data` on, for messages.
pub(crate) fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("test_data")
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a dialect has its folder");
    entries.map(|entry| entry.expect("a readable folder").path()).collect()
}
