//! The part of a path that names something.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::error::Error;

use super::Site;

/// Longest name in a path, in bytes: 200 characters at their longest.
const NAME_BYTES_MAX: usize = 800;

/// What a path names, as text. What Postgres could not even compare is nobody's name.
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Arc<Site>> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        match Path::<String>::from_request_parts(parts, site).await {
            Ok(Path(text)) if text.len() <= NAME_BYTES_MAX && !text.contains('\0') => {
                Ok(Self(text))
            }
            _ => Err(Error::NoRoute),
        }
    }
}
