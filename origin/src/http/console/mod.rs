//! The console: pages for people, rendered here, in Chinese and English.
//!
//! A page reads what the API reads and shows it; what may be seen is decided by the same
//! [`Viewer`](super::authenticate::Viewer). There is no script at all, so pages work everywhere and
//! nothing that is typed anywhere can run: text becomes HTML only through maud, which escapes it, and
//! the browser is told to run and load nothing but the one style sheet.
//!
//! # Bounds
//! Lists come in pages of [`ROWS`]; forms are bounded as bodies are.

mod accounts;
mod audit;
mod calls;
mod explain;
mod findings;
mod language;
mod layout;
mod login;
mod number;
mod overview;
mod prices;
mod reports;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::Site;

/// Rows of a list on one page.
const ROWS: i64 = 50;
/// Where the console begins.
const HOME: &str = "/console";
/// The style sheet, which is all that a page loads.
const STYLE: &str = include_str!("style.css");
/// Nothing is run, nothing but the style sheet is loaded, forms stay here, and no other page may show
/// one of ours inside itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Every page.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(async || Redirect::to(HOME)))
        .route(HOME, get(overview::show))
        .route("/console/login", get(login::show).post(login::sign_in))
        .route("/console/logout", post(login::sign_out))
        .route("/console/language/{language}", get(language::choose))
        .route("/console/accounts", get(accounts::list))
        .route("/console/accounts/{account}", get(accounts::one))
        .route("/console/calls", get(calls::list))
        .route("/console/calls/{call}", get(explain::show))
        .route("/console/prices", get(prices::show))
        .route("/console/reports", get(reports::day))
        .route("/console/reports/anomalies", get(reports::look))
        .route("/console/reports/drift", get(reports::agreement))
        .route("/console/findings", get(findings::list).post(findings::change))
        .route("/console/audit", get(audit::list))
        .route("/console/style.css", get(style))
        .layer(map_response(with_policy))
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

async fn with_policy(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        // Within the site the browser may say where a form was, which is how we know it is ours.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
