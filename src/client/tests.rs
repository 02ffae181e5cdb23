use super::*;

#[test]
fn a_scope_is_its_own_path() {
    let path = |text: &str| below(&text.parse().unwrap(), "tokens");
    assert_eq!(path("deployment"), "/v1/tokens");
    assert_eq!(path("organizations/acme"), "/v1/organizations/acme/tokens");
    assert_eq!(path("organizations/acme/projects/shop"), "/v1/organizations/acme/projects/shop/tokens");
}

#[tokio::test]
async fn a_token_does_not_leave_over_plain_http_to_another_host() {
    let token = TokenText::generate(&Zeros);
    let elsewhere = || "http://192.0.2.1:9".parse::<BaseUrl>().unwrap();
    let client = Client::new(elsewhere(), elsewhere(), Some(token), PlainHttp::LoopbackOnly).unwrap();
    assert!(matches!(client.whoami().await, Err(ClientError::PlainHttp { listener: Listener::Public, .. })));
    assert!(matches!(client.key_list().await, Err(ClientError::PlainHttp { listener: Listener::Internal, .. })));
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let closed = || "http://127.0.0.1:1".parse::<BaseUrl>().unwrap();
    let client = Client::new(closed(), closed(), None, PlainHttp::LoopbackOnly).unwrap();
    assert!(matches!(client.whoami().await, Err(ClientError::Unreachable { .. })));
}

struct Zeros;

impl crate::domain::source::Random for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}
