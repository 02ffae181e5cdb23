//! Where a key of a docker config points to, as Go programs read it.
//!
//! The `url` crate follows another standard, which would drop `:443` and turn the host into lower case; here both count.

/// A URL's host with its port, and its path, as they were written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// `host` or `host:port`.
    pub host: String,
    /// The path with its first `/`, decoded; empty if there is none.
    pub path: String,
}

/// Reads what comes behind a scheme. `None` where Go's `url.Parse` gives an error.
pub(super) fn parse(text: &str) -> Option<Location> {
    if text.chars().any(|c| c.is_ascii_control()) {
        return None;
    }
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    let text = text.split_once('?').map_or(text, |(before, _)| before);
    let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if !is_host(host) {
        return None;
    }
    Some(Location { host: host.to_owned(), path: percent_decoded(path)? })
}

/// The host without port and brackets, and the port.
pub(super) fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        // Brackets go with the port: Go's `net.SplitHostPort` takes both away or neither.
        Some((name, port)) if !port.contains(']') => {
            let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match bare {
                Some(bare) => (bare, port),
                None if name.contains(':') => (host, ""),
                None => (name, port),
            }
        }
        _ => (host, ""),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match (host.strip_prefix('['), host.rfind(']')) {
        (Some(_), Some(end)) => host.split_at(end + 1),
        (Some(_), None) => return false,
        (None, _) => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_valid = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:[]<>\"".contains(c);
    port_is_valid && name.chars().all(allowed)
}

fn percent_decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>()?;
        let digits = digits.map(|digit| char::from(digit).to_digit(16));
        let [Some(high), Some(low)] = digits else { return None };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
        rest = behind;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
