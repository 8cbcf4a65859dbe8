//! The `OpenAPI` document: what is common to all routes.
//!
//! Each handler describes itself, and [`super::router`] collects what they say; so nothing is served
//! that is not described. What every handler may answer besides its own replies is listed here.

use std::collections::BTreeMap;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, Modify, OpenApi};

use crate::error::ErrorBody;

use super::authenticate::COOKIE_NAME;

/// The document without its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Weir",
        description = "The books of what was metered at the edge.\n\nAmounts are whole nanos of the \
                       account's currency; 2,000 nanos are one quota. Every error has the same body: \
                       decide by `error.code`, and `error.param` names the field that was wrong.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ErrorBody)),
    modifiers(&Security),
    security(("bearer" = []), ("basic" = []), ("cookie" = []))
)]
pub(super) struct Common;

/// The ways to say who asks.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Components::new);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A caller's key, or the token of a session."))
            .build();
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("The administrator that the environment names."))
            .build();
        let cookie = ApiKeyValue::with_description(COOKIE_NAME, "A browser's session.");
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("basic", SecurityScheme::Http(basic));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// What a route may answer that only reads.
pub(super) struct ReadErrors;

/// What a route may answer that reads a body and changes something.
pub(super) struct ActErrors;

/// What any route may answer, whoever asks.
const OPEN: [(&str, &str); 3] = [
    ("400", "A parameter, a field or the body is not what it should be."),
    ("500", "Something went wrong inside; the log knows what."),
    ("503", "The database is not available."),
];
/// And what one may that asks who it is.
const KNOWN: [(&str, &str); 4] = [
    ("401", "Nobody, or not any more: no key, no session, or a bad one."),
    ("403", "Not allowed to whoever asks, or not from another site's page."),
    ("404", "What was asked for is not there."),
    ("429", "Too many attempts with a wrong password."),
];
/// And what one may that takes a body.
const ACT: [(&str, &str); 4] = [
    ("409", "It is there already, and it is something else."),
    ("413", "The body is too large."),
    ("415", "The body is not sent as JSON."),
    ("502", "The edge had to be asked, and did not answer as it should."),
];

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for ReadErrors {
    fn responses() -> Responses {
        errors(OPEN.into_iter().chain(KNOWN))
    }
}

impl IntoResponses for ActErrors {
    fn responses() -> Responses {
        errors(OPEN.into_iter().chain(KNOWN).chain(ACT))
    }
}

fn errors(list: impl Iterator<Item = (&'static str, &'static str)>) -> Responses {
    let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    let response = |description| {
        ResponseBuilder::new().description(description).content("application/json", body()).build()
    };
    list.map(|(status, description)| (status.to_owned(), response(description).into())).collect()
}
