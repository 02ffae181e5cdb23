use super::*;
use crate::{
    crypto::{
        binding::PasswordBinding,
        testing::{Counting, id, password_binding},
    },
    domain::id::{CredentialId, DeploymentId, ScopeId},
};
use proptest::prelude::*;

fn key(number: u128) -> Key {
    Key::from_bytes(id(number), 1, &[u8::try_from(number).unwrap(); KEY_LENGTH])
}

fn sealed(content: &[u8]) -> Sealed {
    seal(&key(1), &Place::from(&password_binding()), content, &Counting::new())
}

fn opened(key: &Key, binding: &PasswordBinding<'_>, bytes: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    let content = open(key, &Place::from(binding), &Sealed::from_bytes(bytes)?)?;
    Ok(content.to_vec())
}

/// An envelope whose key and tag are right, and whose plaintext is whatever is asked for.
fn sealed_with_plaintext(plaintext: &[u8]) -> Vec<u8> {
    let key = key(1);
    let header = header(&key);
    let associated_data = Place::from(&password_binding()).associated_data(&header);
    let (salt, nonce) = ([3; SALT_LENGTH], [4; NONCE_LENGTH]);
    let keys = key.for_envelope(&salt, &associated_data);
    let mut ciphertext = plaintext.to_vec();
    let tag = Aes256Gcm::new((&*keys.cipher).into())
        .encrypt_inout_detached(&nonce.into(), &associated_data, ciphertext.as_mut_slice().into())
        .unwrap();
    [&header[..], &salt, &keys.commitment[..], &nonce, &ciphertext, &tag].concat()
}

#[test]
fn what_was_sealed_comes_back_at_every_length_around_the_padding() {
    for length in (0..700).chain([16 * 1024 - 1, 16 * 1024]) {
        let content = vec![b'x'; length];
        let bytes = sealed(&content).as_bytes().to_vec();
        assert_eq!(opened(&key(1), &password_binding(), bytes).unwrap(), content);
    }
}

#[test]
fn the_length_of_an_envelope_says_nothing_of_up_to_252_bytes() {
    for length in 0..=252 {
        assert_eq!(sealed(&vec![b'x'; length]).as_bytes().len(), 100 + 256 + 16);
    }
    assert_eq!(sealed(&[b'x'; 253]).as_bytes().len(), 100 + 320 + 16);
    assert_eq!(sealed(&[b'x'; 316]).as_bytes().len(), 100 + 320 + 16);
    assert_eq!(sealed(&[b'x'; 317]).as_bytes().len(), 100 + 384 + 16);
}

#[test]
fn the_same_password_is_never_sealed_into_the_same_bytes() {
    let random = Counting::new();
    let place = Place::from(&password_binding());
    let first = seal(&key(1), &place, b"hunter2", &random);
    let second = seal(&key(1), &place, b"hunter2", &random);
    assert_ne!(first.as_bytes()[24..56], second.as_bytes()[24..56], "salt");
    assert_ne!(first.as_bytes()[56..88], second.as_bytes()[56..88], "commitment");
    assert_ne!(first.as_bytes()[88..100], second.as_bytes()[88..100], "nonce");
    assert_ne!(first.as_bytes()[100..], second.as_bytes()[100..], "ciphertext");
}

#[test]
fn no_envelope_opens_with_a_flipped_bit() {
    let envelope = sealed(b"hunter2").as_bytes().to_vec();
    for bit in 0..envelope.len() * 8 {
        let mut flipped = envelope.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..4 => OpenError::Malformed,
            4..88 => OpenError::WrongKey,
            _ => OpenError::Altered,
        };
        assert_eq!(opened(&key(1), &password_binding(), flipped).unwrap_err(), expected, "bit {bit}");
    }
}

#[test]
fn no_cut_or_lengthened_envelope_opens() {
    for content in [&b"hunter2"[..], &[b'x'; 300]] {
        let envelope = sealed(content).as_bytes().to_vec();
        for length in 0..envelope.len() {
            assert!(opened(&key(1), &password_binding(), envelope[..length].to_vec()).is_err(), "first {length} bytes");
            assert!(opened(&key(1), &password_binding(), envelope[envelope.len() - length..].to_vec()).is_err());
        }
        for more in 1..=128 {
            let longer = [&envelope[..], &vec![0; more]].concat();
            assert!(opened(&key(1), &password_binding(), longer).is_err(), "{more} bytes more");
        }
    }
}

#[test]
fn what_cannot_be_an_envelope_is_told_before_a_key_is_asked_for() {
    let envelope = sealed(b"hunter2").as_bytes().to_vec();
    for length in 0..envelope.len() {
        assert_eq!(Sealed::from_bytes(envelope[..length].to_vec()).unwrap_err(), OpenError::Malformed);
    }
    for (position, value) in [(0, 0), (0, 2), (1, 0), (1, 2), (2, 1), (3, 1)] {
        let mut other = envelope.clone();
        other[position] = value;
        assert_eq!(Sealed::from_bytes(other).unwrap_err(), OpenError::Malformed, "byte {position}");
    }
}

#[test]
fn another_key_does_not_open_it() {
    let bytes = sealed(b"hunter2").as_bytes().to_vec();
    let same_name = Key::from_bytes(id(1), 1, &[2; KEY_LENGTH]);
    let same_bytes_other_id = Key::from_bytes(id(2), 1, &[1; KEY_LENGTH]);
    let same_bytes_other_version = Key::from_bytes(id(1), 2, &[1; KEY_LENGTH]);
    for other in [key(2), same_name, same_bytes_other_id, same_bytes_other_version] {
        assert_eq!(opened(&other, &password_binding(), bytes.clone()).unwrap_err(), OpenError::WrongKey);
    }
}

/// GCM does not commit to its key, so the tag alone must never decide: with everything right but the commitment, it
/// has to stay shut.
#[test]
fn the_commitment_is_checked_even_where_the_tag_is_right() {
    let mut bytes = sealed_with_plaintext(&[0; 256]);
    assert!(opened(&key(1), &password_binding(), bytes.clone()).is_ok());
    bytes[56..88].fill(0);
    assert_eq!(opened(&key(1), &password_binding(), bytes).unwrap_err(), OpenError::WrongKey);
}

#[test]
fn a_plaintext_with_a_wrong_length_or_wrong_padding_is_altered() {
    let plaintext = |length: u32, total: usize| {
        let mut plaintext = vec![0; total];
        plaintext[..4].copy_from_slice(&length.to_be_bytes());
        plaintext
    };
    let mut dirty_first = plaintext(7, 256);
    dirty_first[4 + 7] = 1;
    let mut dirty_last = plaintext(7, 256);
    dirty_last[255] = 1;
    let wrong = [
        plaintext(253, 256),
        plaintext(u32::MAX, 256),
        plaintext(u32::MAX - 3, 256),
        plaintext(7, 320),
        plaintext(252, 320),
        dirty_first,
        dirty_last,
    ];
    for plaintext in wrong {
        let bytes = sealed_with_plaintext(&plaintext);
        assert_eq!(opened(&key(1), &password_binding(), bytes).unwrap_err(), OpenError::Altered);
    }
    assert!(opened(&key(1), &password_binding(), sealed_with_plaintext(&plaintext(252, 256))).is_ok());
}

#[test]
fn debug_output_and_errors_say_nothing() {
    assert_eq!(format!("{:?}", sealed(b"hunter2")), "Sealed(..)");
    for error in [OpenError::Malformed, OpenError::WrongKey, OpenError::Altered] {
        assert!(!error.to_string().contains(|character: char| character.is_ascii_digit()));
    }
}

fn text() -> impl Strategy<Value = String> {
    (".{1,40}", 1..=16 * 1024_usize).prop_map(|(unit, length)| {
        let mut text = unit.repeat(length / unit.len() + 1);
        text.truncate(text.floor_char_boundary(length.max(4)));
        text
    })
}

type AnyPlace = (u128, u128, u128, u32, String, Option<String>, Option<String>);

fn any_place() -> impl Strategy<Value = AnyPlace> {
    let perhaps = || proptest::option::of(".{0,80}");
    (any::<u128>(), any::<u128>(), any::<u128>(), any::<u32>(), ".{0,80}", perhaps(), perhaps())
}

fn binding((deployment, scope, credential, version, server, username, certificates): &AnyPlace) -> PasswordBinding<'_> {
    PasswordBinding {
        deployment: DeploymentId::from_uuid(id(*deployment)),
        scope: ScopeId::from_uuid(id(*scope)),
        credential: CredentialId::from_uuid(id(*credential)),
        version: *version,
        server,
        username: username.as_deref(),
        ca_certificates: certificates.as_deref(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_back_from_its_own_place_and_from_no_other(
        text in text(), bytes in any::<[u8; 32]>(), key_id in any::<u128>(), version in any::<u32>(),
        place in any_place(), elsewhere in any_place(),
    ) {
        prop_assume!(place != elsewhere);
        let key = Key::from_bytes(id(key_id), version, &bytes);
        let sealed = seal(&key, &Place::from(&binding(&place)), text.as_bytes(), &Counting::new());
        prop_assert_eq!(sealed.key_id(), id(key_id));
        prop_assert_eq!(sealed.key_version(), version);
        let bytes = sealed.as_bytes().to_vec();
        prop_assert_eq!(opened(&key, &binding(&place), bytes.clone()).unwrap(), text.as_bytes());
        prop_assert_eq!(opened(&key, &binding(&elsewhere), bytes).unwrap_err(), OpenError::WrongKey);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(opened(&key(1), &password_binding(), bytes.clone()).is_err());
        let headed = [&header(&key(1))[..], &bytes].concat();
        prop_assert!(opened(&key(1), &password_binding(), headed).is_err());
    }
}
