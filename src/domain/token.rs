//! API tokens: their text, and what is known of them once the text is gone.

use super::{
    id::TokenId,
    permission::Role,
    scope::Scope,
    source::{Random, random_bytes},
    text::{Invalid, text_type},
    timestamp::Timestamp,
};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

text_type! {
    /// What people call a token: 1 to 100 bytes without control characters.
    TokenName, token_name
}

fn token_name(text: &str) -> Result<String, Invalid> {
    if text.trim().is_empty() || text.len() > 100 || text.chars().any(char::is_control) {
        return Err(Invalid("must be 1 to 100 bytes without control characters, and not blank"));
    }
    Ok(text.to_owned())
}

/// The text of a token: `rgc_`, 43 base62 digits of 32 random bytes, 6 base62 digits of their text's CRC-32.
///
/// The checksum (the form that <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>
/// describes) lets a typing mistake be told without a lookup, and lets scanners find leaked tokens with few false alarms.
pub struct TokenText(SecretString);

const PREFIX: &str = "rgc_";
const BODY_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl TokenText {
    /// A fresh token.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = random_bytes::<32>(random);
        let mut text = String::with_capacity(PREFIX.len() + BODY_DIGITS + CHECK_DIGITS);
        text.push_str(PREFIX);
        push_base62(&mut text, &mut bytes, BODY_DIGITS);
        let mut check = crc32fast::hash(text.as_bytes()).to_be_bytes();
        push_base62(&mut text, &mut check, CHECK_DIGITS);
        bytes.zeroize();
        Self(SecretString::from(text))
    }

    /// Takes a token as a caller presents it.
    ///
    /// # Errors
    /// It is not a token of this service, or was mistyped.
    pub fn parse(text: &Zeroizing<String>) -> Result<Self, Invalid> {
        const INVALID: Invalid = Invalid("must be a regcred token, typed without a mistake");
        let well_formed = text.len() == PREFIX.len() + BODY_DIGITS + CHECK_DIGITS
            && text.starts_with(PREFIX)
            && text.bytes().skip(PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(INVALID);
        }
        let (body, check) = text.split_at(PREFIX.len() + BODY_DIGITS);
        let mut expected = String::with_capacity(CHECK_DIGITS);
        push_base62(&mut expected, &mut crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECK_DIGITS);
        if check == expected { Ok(Self(SecretString::from(text.as_str()))) } else { Err(INVALID) }
    }

    /// The text. Counted by a test, as [`super::secret::Password::expose`] is.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

/// Writes a big-endian number in base 62, with leading zeros; the bytes are used up on the way.
fn push_base62(text: &mut String, number: &mut [u8], digits: usize) {
    let start = text.len();
    for _ in 0..digits {
        let mut remainder = 0_u32;
        for byte in number.iter_mut() {
            let value = remainder * 256 + u32::from(*byte);
            // Both fit a byte: the remainder before was below 62, so the value is below 62 * 256.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        let digit = usize::try_from(remainder).unwrap_or_default();
        text.insert(start, char::from(DIGITS[digit]));
    }
}

/// A token as it is stored and listed: without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it.
    pub id: TokenId,
    /// What people call it.
    pub name: TokenName,
    /// What it is for.
    pub role: Role,
    /// Where it is good.
    pub scope: Scope,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What it takes to make a token.
#[derive(Debug)]
pub struct NewToken {
    /// What people will call it.
    pub name: TokenName,
    /// What it is for.
    pub role: Role,
    /// How long it is good.
    pub lifetime: Lifetime,
}

/// How long a token is good, in days: 1 to 3,650, 90 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u32")]
pub struct Lifetime(u32);

impl Lifetime {
    /// A year: what the first operator's token is given.
    pub const YEAR: Self = Self(365);

    /// When a token that is made now ends.
    #[must_use]
    pub fn from_now(self, now: Timestamp) -> Timestamp {
        now.plus_days(self.0)
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self(90)
    }
}

impl TryFrom<u32> for Lifetime {
    type Error = Invalid;

    fn try_from(days: u32) -> Result<Self, Invalid> {
        if (1..=3650).contains(&days) { Ok(Self(days)) } else { Err(Invalid("must be between 1 and 3650 days")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn parse(text: &str) -> Result<TokenText, Invalid> {
        TokenText::parse(&Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_token_is_53_characters_and_is_read_back() {
        for byte in [0, 1, 0x7f, 0xff] {
            let token = TokenText::generate(&Fixed(byte));
            assert_eq!(token.expose().len(), 53);
            assert_eq!(parse(token.expose()).unwrap().expose(), token.expose());
        }
        assert!(TokenText::generate(&Fixed(0)).expose().starts_with(&format!("rgc_{}", "0".repeat(43))));
        // 2^256 - 1 in base 62, computed with Python's integers.
        assert!(
            TokenText::generate(&Fixed(0xff)).expose().starts_with("rgc_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1")
        );
    }

    #[test]
    fn every_single_typing_mistake_is_noticed() {
        let token = TokenText::generate(&Fixed(0x5a));
        let text = token.expose();
        for position in 0..text.len() {
            for digit in DIGITS {
                let mut typed = text.as_bytes().to_vec();
                if typed[position] == *digit {
                    continue;
                }
                typed[position] = *digit;
                assert!(parse(&String::from_utf8(typed).unwrap()).is_err(), "position {position}");
            }
        }
        assert!(parse(&text[..52]).is_err());
        assert!(parse(&format!("{text}0")).is_err());
        assert!(parse("").is_err());
        assert!(parse(&"ä".repeat(26)).is_err());
    }
}
