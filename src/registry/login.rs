//! A login on its way to its registry: the only place here that reads a password.

use crate::domain::{credential::Username, secret::Password};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::header::HeaderValue;
use zeroize::Zeroizing;

/// User name and password.
pub(super) struct Login<'a> {
    pub(super) username: Option<&'a Username>,
    pub(super) password: &'a Password,
}

impl Login<'_> {
    fn username(&self) -> &str {
        self.username.map_or("", Username::as_str)
    }

    /// The `Authorization` field of RFC 7617. What is in it is overwritten when the last reference to it goes.
    pub(super) fn basic(&self) -> HeaderValue {
        let pair = Zeroizing::new(format!("{}:{}", self.username(), self.password.expose()));
        let mut field = Zeroizing::new(String::with_capacity("Basic ".len() + pair.len().div_ceil(3) * 4));
        field.push_str("Basic ");
        STANDARD.encode_string(pair.as_bytes(), &mut field);
        sensitive(field)
    }

    /// The form of RFC 6749 section 4.3.2, as token servers take it.
    pub(super) fn form(&self, service: Option<&str>, scope: Option<&str>) -> Bytes {
        Bytes::from_owner(self.filled(service, scope))
    }

    /// Nothing moves while it is filled, or a copy of the password would stay behind.
    fn filled(&self, service: Option<&str>, scope: Option<&str>) -> Zeroizing<Vec<u8>> {
        // What the registry has named may be long, too.
        let password = self.password.expose();
        let parts = [service.unwrap_or_default(), scope.unwrap_or_default(), self.username(), password];
        // Each byte takes three at most; the names of the fields and what stands between take less than that.
        let longest = 3 * parts.iter().map(|part| part.len()).sum::<usize>() + 256;
        let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(longest));
        form.append_pair("grant_type", "password")
            .append_pair("client_id", "regcred")
            .append_pair("access_type", "online");
        form.extend_pairs(service.map(|service| ("service", service)));
        form.extend_pairs(scope.map(|scope| ("scope", scope)));
        form.append_pair("username", self.username()).append_pair("password", password);
        Zeroizing::new(form.finish().into_bytes())
    }
}

/// The `Authorization` field with a token that a token server gave; none if it cannot stand there.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| sensitive(Zeroizing::new(format!("Bearer {token}"))))
}

fn sensitive(text: Zeroizing<String>) -> HeaderValue {
    struct Owner(Zeroizing<String>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    let field = HeaderValue::from_maybe_shared(Bytes::from_owner(Owner(text)));
    let mut field = field.expect("it is visible ASCII");
    field.set_sensitive(true);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_goes_out_as_the_protocols_have_it() {
        let password = Password::new(&Zeroizing::new("pä&ss=1 +".to_owned())).unwrap();
        let username = "robot$a+b".parse().unwrap();
        let login = Login { username: Some(&username), password: &password };
        let field = login.basic();
        assert!(field.is_sensitive());
        let pair = STANDARD.decode(field.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, "robot$a+b:pä&ss=1 +".as_bytes());
        let form = login.form(Some("s"), Some("repository:a/b:pull"));
        let pairs: Vec<_> = url::form_urlencoded::parse(&form).into_owned().collect();
        for pair in [
            ("username", "robot$a+b"),
            ("password", "pä&ss=1 +"),
            ("scope", "repository:a/b:pull"),
            ("grant_type", "password"),
        ] {
            assert!(pairs.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pairs:?}");
        }
    }

    #[test]
    fn a_form_does_not_move_while_it_is_filled_however_long_its_parts_are() {
        let password = Password::new(&Zeroizing::new("&".repeat(Password::MAX_BYTES))).unwrap();
        let username = "a+".repeat(20).parse().unwrap();
        let login = Login { username: Some(&username), password: &password };
        let (none, long) = (login.filled(None, None), "/".repeat(30_000));
        let form = login.filled(Some(&long), Some(&long));
        // As much room as was made for it, and no more: growing would have doubled it.
        assert_eq!(form.capacity() - none.capacity(), 6 * long.len());
    }

    #[test]
    fn a_token_with_what_cannot_stand_in_a_header_is_no_token() {
        assert!(bearer("ey.J-_~+/=").is_some());
        for token in ["", "a b", "a\r\nx: y", "ä"] {
            assert!(bearer(token).is_none());
        }
    }
}
