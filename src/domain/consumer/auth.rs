//! The member `auth` of an entry of a docker config: user name and password in one base64 text.
//!
//! Read as the kubelet does, which is the strictest of the readers: what passes here is read by all.

use crate::domain::text::Invalid;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, config(DecodePaddingMode::RequireCanonical));
const BARE: GeneralPurpose = GeneralPurpose::new(&STANDARD, config(DecodePaddingMode::RequireNone));

const fn config(padding: DecodePaddingMode) -> GeneralPurposeConfig {
    // Go does not look at the bits that are left over.
    GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true)
}

/// User name and password as bytes: nothing says that they are UTF-8.
pub struct Pair {
    bytes: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Pair {
    /// What comes before the first colon.
    #[must_use]
    pub fn username(&self) -> &[u8] {
        &self.bytes[..self.colon]
    }

    /// What comes behind the first colon.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.bytes[self.colon + 1..]
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(..)")
    }
}

/// Reads the text of an `auth`.
///
/// # Errors
/// It is not standard base64, with padding exactly if it ends in `=`, or there is no colon in it. Line ends do not count.
pub fn read(text: &str) -> Result<Pair, Invalid> {
    let engine = if text.trim().ends_with('=') { &PADDED } else { &BARE };
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
    let mut bytes = Zeroizing::new(vec![0; digits.len() / 4 * 3 + 3]);
    let length = engine.decode_slice(&*digits, &mut bytes).map_err(|_| Invalid("must be base64"))?;
    bytes.truncate(length);
    let colon = bytes.iter().position(|byte| *byte == b':');
    let colon = colon.ok_or(Invalid("must hold a user name and a password with ':' between them"))?;
    Ok(Pair { bytes, colon })
}
