//! The official libraries, unchanged, driven by the scripts in `clients/`.
//!
//! They are installed once into the user's cache, by the versions that the scripts pin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use xtask::{cache, command};

use crate::tester::Tester;

/// Which library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// cozepy.
    Python,
    /// @coze/api.
    JavaScript,
    /// openai-python.
    OpenAi,
    /// dify-client.
    Dify,
}

impl Library {
    /// Does one thing with the library and answers what it gave, and its exit code.
    pub(crate) async fn run(self, tester: &Tester, arguments: &[&str]) -> (i32, Value) {
        self.run_as(tester, &["--key", &tester.key], arguments).await
    }

    /// The same with another way to authenticate than the story's key.
    pub(crate) async fn run_as(
        self,
        tester: &Tester,
        caller: &[&str],
        arguments: &[&str],
    ) -> (i32, Value) {
        let mut command = match self {
            Self::Python => {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", &*PYTHON).arg(scripts().join("coze_py.py"));
                python
            }
            Self::OpenAi => {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", &*PYTHON).arg(scripts().join("openai_py.py"));
                python
            }
            Self::Dify => {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", &*PYTHON).arg(scripts().join("dify_py.py"));
                python
            }
            Self::JavaScript => {
                let mut node = Command::new("node");
                node.arg(JAVASCRIPT.join("coze_js.mjs"));
                node
            }
        };
        command.args(["--base-url", &tester.edge]).args(caller).args(arguments);
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = run.await.unwrap().expect("python3 and node can be run");
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        let result = serde_json::from_str(&said);
        let result = result.unwrap_or_else(|_| panic!("{self:?} said {said:?} and {complained}"));
        (output.status.code().unwrap_or(-1), result)
    }

    /// The same, for what has to succeed.
    pub(crate) async fn does(self, tester: &Tester, arguments: &[&str]) -> Value {
        let (code, result) = self.run(tester, arguments).await;
        assert_eq!(code, 0, "{self:?} {arguments:?}: {result:#}");
        result
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// cozepy, dify-client and openai-python, in a folder for `PYTHONPATH`.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let pinned = scripts().join("requirements.txt");
    let version =
        command::output_of(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
            .expect("the stories need python3 (with pip) for the clients");
    let wanted = fs::read(&pinned).unwrap();
    let key = format!("python-{}", cache::fingerprint(&[&wanted, version.as_bytes()]));
    cache::installed(&key, |folder| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"]);
        command::output_of(pip.arg(folder).arg("-r").arg(&pinned)).map(drop)
    })
    .expect("pip installs the clients")
});

/// @coze/api and the script beside it, since Node looks for packages where a script lies.
static JAVASCRIPT: LazyLock<PathBuf> = LazyLock::new(|| {
    let files = ["package.json", "package-lock.json", "coze_js.mjs"];
    let contents = files.map(|file| fs::read(scripts().join(file)).unwrap());
    let parts: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    cache::installed(&format!("coze-js-{}", cache::fingerprint(&parts)), |folder| {
        for (file, content) in files.iter().zip(&contents) {
            fs::write(folder.join(file), content)?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder);
        command::output_of(&mut npm).map(drop)
    })
    .expect("npm installs @coze/api")
});
