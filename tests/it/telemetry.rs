//! What an operator is told of requests: metrics and log lines.

use crate::support::{Binary, Server, exchange};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// Sends so many requests one behind the other, and reads the answers, which are of one length.
fn ask(url: &str, requests: usize) {
    const AT_ONCE: usize = 100;
    let request = b"GET /livez HTTP/1.1\r\nhost: regcred\r\n\r\n";
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it connects");
    stream.write_all(request).expect("it is taken");
    let mut first = Vec::new();
    while !first.ends_with(b"ok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it is answered");
        first.push(byte[0]);
    }
    let mut answers = vec![0; first.len() * AT_ONCE];
    for _ in 0..requests / AT_ONCE {
        stream.write_all(&request.repeat(AT_ONCE)).expect("they are taken");
        stream.read_exact(&mut answers).expect("they are answered");
        assert!(
            answers.starts_with(b"HTTP/1.1 200 OK\r\n") && answers.ends_with(b"ok\n"),
            "the answers are of one length"
        );
    }
}

/// The memory that a server has, in bytes.
fn memory(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number") * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_nothing_in_memory_though_nobody_asks_for_the_metrics() {
    const REQUESTS: usize = 20_000;
    const ROUNDS: usize = 4;
    let server = Server::start_with(Binary::new().env("REGCRED_LOG", "warn")).await;
    let mut sizes = Vec::new();
    for _ in 0..ROUNDS {
        ask(&server.internal, REQUESTS);
        sizes.push(memory(&server));
    }
    // A time that is kept takes 16 bytes, in every round; what grows for another reason does not grow in each of them.
    let grown = sizes.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min().expect("there are rounds");
    assert!(grown < REQUESTS * 8, "more in each round of {REQUESTS} requests: {sizes:?}");
    let metrics = server.operator().metrics().await.expect("there are metrics");
    let count = "regcred_http_request_seconds_count{listener=\"internal\",method=\"GET\",route=\"/livez\"}";
    let counted = metrics.lines().find_map(|line| line.strip_prefix(count)?.trim().parse::<usize>().ok());
    assert_eq!(counted, Some(ROUNDS * (REQUESTS + 1)), "each request is counted:\n{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_went_well_and_changed_nothing_is_in_the_log_only_if_asked_for() {
    // A request, its status, and whether its line is there unasked.
    const REQUESTS: [(&str, &str, u16, bool); 6] = [
        ("GET", "/livez", 200, false),
        ("GET", "/v1/organizations", 200, false),
        ("PUT", "/v1/organizations/acme", 201, true),
        ("DELETE", "/v1/organizations/acme", 204, true),
        ("GET", "/v1/organizations/acme", 404, true),
        ("GET", "/nowhere", 404, true),
    ];
    for (filter, all) in [("info", false), ("info,regcred::http=debug", true)] {
        let server = Server::start_with(Binary::new().env("REGCRED_LOG", filter)).await;
        let token = format!("Bearer {}", server.operator_token().expose());
        for (method, path, status, unasked) in REQUESTS {
            let reply = exchange(&server.public, method, path, &[("authorization", &token)], b"");
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
            let id = reply.header("x-request-id").expect("every answer names its request").to_owned();
            let log = server.log();
            let told = log.lines().any(|line| {
                line.contains("answered") && line.contains(&id) && line.contains(&format!("status={status}"))
            });
            assert_eq!(told, unasked || all, "{method} {path} with {filter}:\n{log}");
        }
    }
}
