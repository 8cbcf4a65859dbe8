//! A path is served only as what its letters say.
//!
//! The first byte chooses the method.

use meter::route::{Method, ROUTES, Route, classify};

/// Looks the bytes up as a path.
pub fn check(bytes: &[u8]) {
    let Some((&which, path)) = bytes.split_first() else { return };
    let Ok(path) = std::str::from_utf8(path) else { return };
    let methods = [Method::Get, Method::Post, Method::Put, Method::Delete];
    let method = methods[usize::from(which) % methods.len()];
    let Some(class) = classify(method.name(), path) else { return };
    let names = |route: &&Route| route.methods.contains(&method) && is_spelt(route.path, path);
    let route = ROUTES.iter().find(names);
    assert_eq!(route.map(|route| route.class), Some(class), "{path:?}");
    assert!(path.starts_with('/') && !path.contains(['%', '.', ';', '?', '#', '\\']), "{path:?}");
}

/// The same rule a second time, by another way: segment by segment, and as many of them.
fn is_spelt(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(want, given)| match *want {
            "{}" => !given.is_empty(),
            want => want == *given,
        })
}
