//! The Dify door: which of Dify's paths are served, which app a caller means, and whose its users are.
//!
//! Path: key → **dify** → admission. A Dify key names one app and nobody in particular; the operator's
//! keys stay at the edge, and a caller's key says which apps it may use. Every request that names a
//! user gets the caller's account in front of that name, so that what Dify keeps apart by user it keeps
//! apart by account: conversations, messages, files, and who may stop a chat.

mod app;
mod refused;
mod route;
mod user;

pub use app::{AppName, AppNameError, DIFY_APPS_MAX, allows, choose};
pub use refused::body;
pub use route::{Class, DIFY_ROUTES, Found, Owned, Route, UserIn, find, is_dify};
pub use user::{FORM_PARTS_MAX, in_form, in_json, in_query, in_query_if_any, prefix};
