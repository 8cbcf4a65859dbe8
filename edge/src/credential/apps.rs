//! Which Dify apps there are, by the environment as it is now.
//!
//! | binding | kind | what |
//! |---|---|---|
//! | `DIFY_APPS` | secret | the apps' keys by the names that callers know them by, as [`read_apps`] describes |
//!
//! As with Coze's credentials, the last document that was read is kept for as long as its text is the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use meter::credential::Secret;
use meter::dify::AppName;
use meter::ids::UpstreamId;
use meter::refusal::{Reason, Refusal};
use meter::wire::dify::read_apps;
use worker::Env;

use crate::config::setting;
use crate::log;

use super::Authorization;

const BINDING: &str = "DIFY_APPS";

/// Every app that is configured.
#[derive(Clone, Default)]
pub(crate) struct Apps(Rc<BTreeMap<AppName, Secret>>);

/// One app, and the operator's key to it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) name: AppName,
    key: Secret,
}

thread_local! {
    /// The apps, and the text they were read from.
    static KEPT: RefCell<Option<(String, Apps)>> = const { RefCell::new(None) };
}

/// The apps that are configured. Keys that cannot be read are a refusal; the log says why.
pub(crate) fn apps(env: &Env) -> Result<Apps, Refusal> {
    let Some(json) = setting(env, BINDING) else { return Ok(Apps::default()) };
    KEPT.with_borrow_mut(|kept| {
        if let Some((_, apps)) = kept.as_ref().filter(|(text, _)| *text == json) {
            return Ok(apps.clone());
        }
        let read = read_apps(&json).map_err(|error| {
            log::error("credential_unavailable", None, &error.to_string());
            Refusal::from(Reason::CredentialUnavailable)
        });
        let apps = Apps(Rc::new(read?));
        *kept = Some((json, apps.clone()));
        Ok(apps)
    })
}

impl Apps {
    /// Their names.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &AppName> {
        self.0.keys()
    }

    /// The app of this name.
    pub(crate) fn get(&self, name: &AppName) -> Option<App> {
        self.0.get(name).map(|key| App { name: name.clone(), key: key.clone() })
    }
}

impl App {
    /// What calls to it are priced by.
    pub(crate) fn subject(&self) -> Result<UpstreamId, Refusal> {
        // What is a name of ours is an id of anybody's.
        self.name.subject().map_err(|_| Reason::Internal.into())
    }

    /// What calls to it are sent with.
    pub(crate) fn authorization(&self) -> Authorization {
        Authorization { secret: self.key.clone(), minted: None }
    }
}

/// What is sent to the app that a call was priced by; `None` when it is configured no more.
pub(crate) fn of_app(env: &Env, subject: &UpstreamId) -> Result<Option<Authorization>, Refusal> {
    let name = subject.as_str().parse::<AppName>();
    let app = name.ok().and_then(|name| apps(env).map(|apps| apps.get(&name)).transpose());
    Ok(app.transpose()?.map(|app| app.authorization()))
}
