//! `.weir/dev.json`: what runs, for people and for programs that come later.
//!
//! It holds a key and a password, so only its owner may read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, process};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::private_file;
use crate::stack::Stack;

/// What runs. Without `pids` it is what ran last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) edge_url: String,
    pub(super) origin_url: String,
    pub(super) upstream_url: String,
    pub(super) database_url: String,
    pub(super) account_id: String,
    pub(super) key: String,
    pub(super) admin_user: String,
    pub(super) admin_password: String,
    /// By name: `dev` is this program itself.
    pub(super) pids: BTreeMap<String, u32>,
    /// Where the data is that the account and the key belong to.
    pub(super) folder: PathBuf,
}

impl State {
    /// What a file says, if there is one that we can read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// What runs now.
    pub(super) fn of(stack: &mut Stack, account_id: String, key: String) -> Self {
        let (admin_user, admin_password) = stack.admin();
        Self {
            edge_url: stack.edge_url().to_owned(),
            origin_url: stack.origin_url().to_owned(),
            upstream_url: stack.upstream_url().to_owned(),
            database_url: stack.database_url().to_owned(),
            account_id,
            key,
            admin_user: admin_user.to_owned(),
            admin_password: admin_password.to_owned(),
            pids: BTreeMap::new(),
            folder: stack.folder().to_owned(),
        }
        .with_pids_of(stack)
    }

    /// The same with the processes as they are at this moment; none of them, and not ours either,
    /// when all have ended.
    pub(super) fn with_pids_of(&self, stack: &mut Stack) -> Self {
        let running =
            stack.processes().filter_map(|part| Some((part.name().to_owned(), part.pid()?)));
        let mut pids: BTreeMap<_, _> = running.collect();
        if !pids.is_empty() {
            pids.insert("dev".to_owned(), process::id());
        }
        Self { pids, ..self.clone() }
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        private_file::write(path, &format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// What is said when everything runs. The stand-in knows any bot, Coze only the asker's own; it also
    /// has a Dify app to try.
    pub(super) fn greeting(&self, bot_id: &str, has_demo_app: bool) -> String {
        let Self { edge_url, origin_url, upstream_url, database_url, key, .. } = self;
        let Self { account_id, admin_user, admin_password, folder, .. } = self;
        let logs = folder.join("log");
        let logs = logs.display();
        let dify = if has_demo_app { self.about_dify() } else { String::new() };
        format!(
            r#"
Weir runs. Ctrl-C stops it; the data stays.

  edge      {edge_url}
  origin    {origin_url}   ({admin_user} / {admin_password})
  upstream  {upstream_url}
  database  {database_url}
  logs      {logs}
  account   {account_id}
  key       {key}

Ask something and watch the answer arrive:

  curl -N '{edge_url}/v3/chat' \
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
    -d '{{"bot_id":"{bot_id}","user_id":"me","stream":true,"additional_messages":[{{"role":"user","content":"Hello","content_type":"text"}}]}}'
{dify}"#
        )
    }

    fn about_dify(&self) -> String {
        let Self { edge_url, key, .. } = self;
        format!(
            r#"
The same at Dify's door:

  curl -N '{edge_url}/dify/v1/chat-messages' \
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
    -d '{{"query":"Hello","inputs":{{}},"user":"me","response_mode":"streaming"}}'
"#
        )
    }
}
