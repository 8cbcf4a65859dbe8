//! Whether a browser's request comes from a page of this site.
//!
//! Browsers say so themselves, in `Sec-Fetch-Site`; older ones name the page's origin, which is then
//! compared with the host that was asked. What says neither is not a browser's form or script.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use crate::error::Error;

/// The header by which browsers tell how the page and what it asks for are related.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Where a request comes from, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    ThisSite,
    Elsewhere,
    Unsaid,
}

/// Refuses what does not say that it comes from here. For requests that a cookie lets in.
pub(super) fn check_same_origin(headers: &HeaderMap) -> Result<(), Error> {
    match from(headers) {
        From::ThisSite => Ok(()),
        From::Elsewhere | From::Unsaid => Err(Error::CrossSite),
    }
}

/// Refuses what says that it comes from elsewhere. For signing in, which needs no cookie.
pub(super) fn check_not_elsewhere(headers: &HeaderMap) -> Result<(), Error> {
    match from(headers) {
        From::ThisSite | From::Unsaid => Ok(()),
        From::Elsewhere => Err(Error::CrossSite),
    }
}

fn from(headers: &HeaderMap) -> From {
    // What is not text is not what a browser sends.
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(SEC_FETCH_SITE) {
        return if site == "same-origin" { From::ThisSite } else { From::Elsewhere };
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return From::Unsaid };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let same = authority.zip(text(HOST.as_str())).is_some_and(|(authority, host)| {
        // The scheme's own port is left out by some.
        let bare =
            |name: &str| name.trim_end_matches(":443").trim_end_matches(":80").to_lowercase();
        bare(authority) == bare(host)
    });
    if same { From::ThisSite } else { From::Elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&'static str, &'static str)], want: From) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        assert_eq!(from(&headers), want, "{pairs:?}");
        assert_eq!(check_same_origin(&headers).is_ok(), want == From::ThisSite);
        assert_eq!(check_not_elsewhere(&headers).is_ok(), want != From::Elsewhere);
    }

    #[test]
    fn only_a_page_of_this_site_is_this_site() {
        check(&[], From::Unsaid);
        check(&[("host", "weir.example")], From::Unsaid);
        for site in ["cross-site", "same-site", "none", "", "Same-Origin"] {
            check(&[("sec-fetch-site", site)], From::Elsewhere);
        }
        for origin in ["null", "", "https://weir.example.evil", "https://evil", "weir.example"] {
            check(&[("host", "weir.example"), ("origin", origin)], From::Elsewhere);
        }
        check(&[("origin", "https://weir.example")], From::Elsewhere);
        // The browser's own word goes before.
        check(
            &[
                ("sec-fetch-site", "cross-site"),
                ("host", "weir.example"),
                ("origin", "https://weir.example"),
            ],
            From::Elsewhere,
        );
        check(&[("sec-fetch-site", "same-origin")], From::ThisSite);
        check(&[("host", "weir.example"), ("origin", "https://weir.example")], From::ThisSite);
        check(&[("host", "weir.example:443"), ("origin", "https://Weir.example")], From::ThisSite);
        check(&[("host", "[::1]:8788"), ("origin", "http://[::1]:8788")], From::ThisSite);
    }
}
