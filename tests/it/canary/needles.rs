//! Finding a secret in a heap of bytes, in whatever form it got there.

use crate::support::hex;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::collections::HashMap;

/// How much of a form is looked for. Whoever leaks a secret leaks its beginning, and so many bytes of a random text are
/// nowhere by chance, also where a form takes several for each character.
const LENGTH: usize = 32;
/// What is shorter could be somewhere by chance.
const SHORTEST: usize = 16;
/// How many bytes tell quickly that a place is not one.
const START: usize = 4;

/// All secrets in all forms.
#[derive(Default)]
pub struct Needles {
    by_start: HashMap<[u8; START], Vec<(Vec<u8>, String)>>,
}

/// The forms of a secret, by name.
pub fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let json = serde_json::to_string(secret).expect("a text becomes JSON");
    let ascii: String = secret.encode_utf16().map(utf16_escape).collect();
    let percent: String = bytes.iter().map(|byte| percent(*byte)).collect();
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("JSON", json.as_bytes()[1..json.len() - 1].to_vec()),
        ("JSON in ASCII", ascii.into_bytes()),
        ("debug", format!("{secret:?}").trim_matches('"').as_bytes().to_vec()),
        ("list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).as_bytes().to_vec()),
        ("hex", hex(bytes).into_bytes()),
        ("HEX", hex(bytes).to_uppercase().into_bytes()),
        ("URL", percent.into_bytes()),
        ("form", url::form_urlencoded::byte_serialize(bytes).collect::<String>().into_bytes()),
    ];
    for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
        for before in 0..3_usize {
            // The digits that also hold bits of a neighbour are not the secret's alone.
            let text = engine.encode([&vec![0; before][..], bytes].concat());
            let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
            forms.push((name, text.as_bytes()[first..last].to_vec()));
        }
    }
    forms
}

fn utf16_escape(unit: u16) -> String {
    match char::from_u32(u32::from(unit)) {
        Some(c @ ('"' | '\\')) => format!("\\{c}"),
        Some('\n') => "\\n".to_owned(),
        Some('\t') => "\\t".to_owned(),
        Some(c) if c.is_ascii() => c.to_string(),
        Some(_) | None => format!("\\u{unit:04x}"),
    }
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

impl Needles {
    /// Adds a text in all its forms.
    pub fn add(&mut self, name: &str, secret: &str) {
        for (form, bytes) in forms(secret) {
            self.add_bytes(&format!("{name} as {form}"), &bytes);
        }
    }

    /// Adds bytes as they are.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        assert!(bytes.len() >= SHORTEST, "{name} is too short to be told from chance");
        let start = bytes[..START].try_into().expect("it is as long");
        self.by_start.entry(start).or_default().push((bytes[..bytes.len().min(LENGTH)].to_vec(), name.to_owned()));
    }

    /// The names of what stands in there.
    pub fn found_in(&self, hay: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, window) in hay.windows(START).enumerate() {
            let start: [u8; START] = window.try_into().expect("it is as long");
            let Some(needles) = self.by_start.get(&start) else { continue };
            found
                .extend(needles.iter().filter(|(bytes, _)| hay[at..].starts_with(bytes)).map(|(_, name)| name.clone()));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The positive control: the search finds every form, as others make it, in the middle of something else.
#[test]
fn a_secret_is_found_in_every_form_that_it_can_take() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let secret = "~ä\"?>\\\n Zebra>?~ÿ~?>\u{1f980}end of it";
    let mut needles = Needles::default();
    needles.add("canary", secret);
    let mut places = vec![
        secret.to_owned(),
        serde_json::json!({"password": secret}).to_string(),
        r#"~\u00e4\"?>\\\n Zebra>?~\u00ff~?>\ud83e\udd80"#.to_owned(),
        format!("{:?}", Some(secret)),
        format!("{:?}", secret.as_bytes()),
        "7ec3a4223f3e5c0a205a656272613e3f7ec3bf".to_owned(),
        "7EC3A4223F3E5C0A205A656272613E3F7EC3BF".to_owned(),
        url::form_urlencoded::Serializer::new(String::new()).append_pair("password", secret).finish(),
        "~%C3%A4%22%3F%3E%5C%0A%20Zebra%3E%3F".to_owned(),
    ];
    for username in ["", "x", "bo", "bot"] {
        let pair = format!("{username}:{secret}");
        places.extend([STANDARD.encode(&pair), URL_SAFE.encode(&pair)]);
    }
    for place in places {
        let hay = [b"\0\xffbefore ", place.as_bytes(), b" after\0"].concat();
        assert_ne!(needles.found_in(&hay), [""; 0], "{place}");
    }
    assert_eq!(needles.found_in(b"~\xc3\xa4\"?>\\ something else, and Zebra alone"), [""; 0]);
}
