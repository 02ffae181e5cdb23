//! How a registry asks for a login: its `WWW-Authenticate` fields (RFC 9110 section 11.6.1).

use hyper::{HeaderMap, header::WWW_AUTHENTICATE};

/// The way of logging in that a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token, which a token server gives for user name and password.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// What the token server calls the registry.
        service: Option<String>,
        /// What the registry says that a token is needed for.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The first challenge of a kind that is known here, one with a token before one without: who asks for both takes either,
    /// and a token goes into fewer requests. A field that cannot be read is passed over.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let fields = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|field| field.to_str().ok());
        let known: Vec<_> = fields.flat_map(parse).collect();
        let bearer = known.iter().find(|challenge| **challenge != Self::Basic);
        bearer.or(known.first()).cloned()
    }
}

fn parse(field: &str) -> Vec<Challenge> {
    let Ok(challenges) = http_auth::parse_challenges(field) else { return Vec::new() };
    let known = challenges.iter().filter_map(|challenge| {
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped()).filter(|value| !value.is_empty())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service"), scope: parameter("scope") })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn find(fields: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(field).unwrap());
        }
        Challenge::find(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) }
    }

    #[test]
    fn registries_ask_in_many_forms() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
        assert_eq!(find(&[hub]), Some(bearer("https://auth.docker.io/token", Some("registry.docker.io"), None)));
        let scoped =
            r#"bearer Service=s , REALM="https://r/t?a=\"b\"",scope="repository:a/b:pull,push registry:catalog:*""#;
        let scope = Some("repository:a/b:pull,push registry:catalog:*");
        assert_eq!(find(&[scoped]), Some(bearer("https://r/t?a=\"b\"", Some("s"), scope)));
        assert_eq!(find(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(find(&["BASIC"]), Some(Challenge::Basic));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_registry_says_is_read_or_passed_over(text in "[ -~]{0,200}|(Bearer|Basic)?( ?[a-z]{0,7}=(\"[ -~]{0,20}\"|[a-z]{0,5}),?){0,4}") {
            if let Some(Challenge::Bearer { realm, .. }) = find(&[&text]) {
                proptest::prop_assert!(!realm.is_empty());
            }
        }
    }

    #[test]
    fn of_several_the_one_with_a_token_is_taken() {
        let both = r#"Basic realm="x", Bearer realm="https://r/t""#;
        assert_eq!(find(&[both]), Some(bearer("https://r/t", None, None)));
        assert_eq!(
            find(&["Negotiate", "Basic realm=x", r#"Bearer realm="https://r/t""#]),
            Some(bearer("https://r/t", None, None))
        );
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        for fields in [
            &[][..],
            &["Negotiate"],
            &["Digest realm=\"x\", nonce=\"y\""],
            &["Bearer"],
            &["Bearer realm=\"\""],
            &["Bearer realm"],
        ] {
            assert_eq!(find(fields), None, "{fields:?}");
        }
        assert_eq!(find(&["Bearer realm=\"unfinished", "Basic realm=\"x\""]), Some(Challenge::Basic));
    }
}
