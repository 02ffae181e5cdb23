use super::*;

#[test]
fn a_finding_is_found_by_its_name() {
    for finding in Finding::ALL {
        assert_eq!(finding.name().parse(), Ok(*finding));
    }
    assert!("nonsense".parse::<Finding>().is_err());
}

#[test]
fn only_the_registry_itself_marks_a_login_as_refused() {
    let refusals: Vec<_> = Finding::ALL.iter().filter(|finding| finding.stage().is_refusal()).collect();
    assert_eq!(refusals, [&Finding::LoginRefused, &Finding::PullRefused, &Finding::RepositoryNotFound]);
}

#[test]
fn what_may_pass_by_itself_proves_nothing() {
    for finding in Finding::ALL {
        assert!(!(finding.is_proof_for() && finding.is_proof_against()), "{finding:?}");
        // A 429, a 5xx or a time-out never marks a login as bad.
        let passing = matches!(finding.stage(), Stage::Connect | Stage::RateLimited | Stage::Unavailable);
        assert!(!(passing && finding.is_proof_against()), "{finding:?}");
        assert!(!finding.stage().is_refusal() || finding.is_proof_against(), "{finding:?}");
        assert_eq!(finding.is_proof_for(), finding.stage() == Stage::Ok && *finding != Finding::NoLoginNeeded);
    }
}

#[test]
fn what_is_pulled_of_an_image_is_its_digest_or_its_tag() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (text, reference) in [
        ("ghcr.io/acme/app", "latest"),
        ("ghcr.io/acme/app:1.0", "1.0"),
        ("localhost:5000/app", "latest"),
        ("localhost:5000/app:2", "2"),
        ("nginx", "latest"),
        (&format!("ghcr.io/acme/app:1.0@{digest}"), &digest),
    ] {
        assert_eq!(text.parse::<PullTarget>().unwrap().reference(), reference, "{text}");
    }
    assert!("ghcr.io/Acme/app".parse::<PullTarget>().is_err());
}

proptest::proptest! {
    #[test]
    fn what_is_kept_of_certificates_is_kept_as_it_is(
        text in "((-----BEGIN CERTIFICATE-----|-----END CERTIFICATE-----|-----BEGIN X-----|[A-Za-z0-9+/=]{0,9})[ \n\r!]{0,2}){0,8}",
    ) {
        if let Ok(kept) = text.parse::<CaCertificates>() {
            proptest::prop_assert_eq!(kept.as_str().parse(), Ok(kept.clone()));
            proptest::prop_assert!(kept.as_str().starts_with(BEGIN) && !kept.as_str().contains('!'));
        }
    }
}

#[test]
fn certificates_are_kept_in_one_form_and_nothing_else_is_taken_with_them() {
    let one = format!("{BEGIN}\nAAAA\n{END}\n");
    for text in [one.clone(), format!("subject=x\n{BEGIN}\r\nAAAA\r\n{END}"), format!("{BEGIN}AA{END}")] {
        let kept = text.parse::<CaCertificates>().unwrap();
        assert_eq!(kept.as_str().parse(), Ok(kept));
    }
    let both = format!("{one}{one}");
    assert_eq!(both.parse::<CaCertificates>().unwrap().as_str(), both);
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for text in ["", "AAAA", BEGIN, &format!("{BEGIN}\n{END}"), &format!("{one}{key}"), &format!("{BEGIN}\n!\n{END}")] {
        assert!(text.parse::<CaCertificates>().is_err(), "{text}");
    }
    assert!(one.repeat(2000).parse::<CaCertificates>().is_err());
}
