//! Which app is asked: its key says so, and nothing else does.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;

use crate::dify::fault::Fault;
use crate::visit::{Arrival, Visit, bearer};
use crate::world::Upstream;
use crate::world::chats::Session;

/// What an app's key begins with.
const KEY_PREFIX: &str = "app-";

/// A request with the key of an app.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The app.
    pub(crate) app: String,
    /// The request, as the record of work names it.
    pub(crate) visit: Visit,
}

impl FromRequestParts<Upstream> for Guest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Upstream) -> Result<Self, Response> {
        use axum::response::IntoResponse as _;
        let arrival = Arrival::from_request_parts(parts, state).await;
        let Arrival { no, logid } = arrival.map_err(axum::response::IntoResponse::into_response)?;
        let header = parts.headers.get(header::AUTHORIZATION);
        let key = header.and_then(|value| value.to_str().ok()).and_then(bearer);
        let app = key.and_then(|key| key.strip_prefix(KEY_PREFIX)).filter(|app| !app.is_empty());
        let app = app.ok_or_else(|| Fault::UNAUTHORIZED.into_response())?.to_owned();
        let visit =
            Visit { no, logid, session: Session::default(), account_hint: None, device_id: None };
        Ok(Self { app, visit })
    }
}
