//! No path, however it is spelled, is served as anything but what its letters say.

use meter::route::{Class, ROUTES, classify};
use proptest::prelude::*;

/// A path of the table, with an id in each open place.
fn any_served() -> impl Strategy<Value = (String, String)> {
    (0..ROUTES.len(), "[0-9]{1,19}").prop_map(|(at, id)| {
        let route = &ROUTES[at];
        (route.methods[0].name().to_owned(), route.path.replace("{}", &id))
    })
}

/// Ways to spell a path differently. What some server or proxy takes for the same path is among them.
fn any_misspelling() -> impl Strategy<Value = (usize, &'static str)> {
    let pieces = [
        "/",
        "//",
        ".",
        "/./",
        "/../",
        "%2e",
        "%2E%2e/",
        "%2f",
        "%00",
        "\0",
        "\\",
        ";a=b",
        "?x=1",
        "#x",
        " ",
        "%20",
        "\t",
        "\r\n",
        "é",
        "：",
        "@evil.example",
        "https://evil.example",
        ":80",
        "*",
        "{}",
        "+",
        "~",
        "!",
    ];
    (any::<prop::sample::Index>(), prop::sample::select(pieces.to_vec()))
        .prop_map(|(at, piece)| (at.index(200), piece))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn a_path_of_the_table_is_served((method, path) in any_served()) {
        prop_assert!(classify(&method, &path).is_some());
    }

    #[test]
    fn a_misspelt_path_is_not((method, path) in any_served(), (at, piece) in any_misspelling()) {
        let at = at.min(path.len());
        let misspelt = [&path[..at], piece, &path[at..]].concat();
        prop_assert_eq!(classify(&method, &misspelt), None, "{}", misspelt);
    }

    #[test]
    fn case_matters((method, path) in any_served()) {
        prop_assert_eq!(classify(&method, &path.to_uppercase()), None);
        prop_assert_eq!(classify(&method.to_lowercase(), &path), None);
    }

    #[test]
    fn whatever_is_served_is_spelled_like_its_row(method in "[A-Z]{3,7}", path in "[ -~]{0,80}") {
        if classify(&method, &path).is_some() {
            let segments: Vec<&str> = path.split('/').collect();
            let is_row = |pattern: &str| {
                let wanted: Vec<&str> = pattern.split('/').collect();
                wanted.len() == segments.len()
                    && wanted.iter().zip(&segments).all(|(want, given)| want == given || *want == "{}")
            };
            prop_assert!(ROUTES.iter().any(|route| is_row(route.path)));
        }
    }
}

#[test]
fn every_row_of_the_contracts_table_1_1_is_billable() {
    for (method, path) in [
        ("POST", "/v3/chat"),
        ("POST", "/v3/chat/submit_tool_outputs"),
        ("POST", "/v1/workflow/run"),
        ("POST", "/v1/workflow/stream_run"),
        ("POST", "/v1/workflow/stream_resume"),
        ("POST", "/v1/workflows/resume"),
        ("POST", "/v1/workflows/chat"),
        ("POST", "/v1/audio/speech"),
        ("POST", "/v1/audio/transcriptions"),
        ("POST", "/v1/audio/rooms"),
        ("POST", "/v1/plugins/7/tools/call"),
        ("POST", "/v1/audio/voices/clone"),
    ] {
        assert!(matches!(classify(method, path), Some(Class::Billable(_))), "{method} {path}");
    }
    for path in [
        "/v1/chat",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/simult_interpretation",
    ] {
        assert!(matches!(classify("GET", path), Some(Class::Socket(_))), "{path}");
    }
}
