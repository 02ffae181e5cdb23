//! The baseline: actix-web with one route and nothing else, which answers what regcred answered.
//!
//! It runs as a process of its own, which is this program again with a hidden argument, and reads from a file what to
//! answer. It knows nothing of regcred.

use actix_web::{
    App, HttpResponse, HttpServer,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    rt::System,
    web,
};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

/// An answer of regcred's, and the route that it came by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recording {
    /// The route, with its parameters in braces.
    pub route: String,
    /// The status code.
    pub status: u16,
    /// All headers but those that every HTTP server writes by itself.
    pub headers: Vec<(String, String)>,
    /// The body; JSON or nothing.
    pub body: String,
}

/// A running baseline. Killed when dropped.
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Bare {
    /// Starts one that answers this. The file is where it reads it from.
    pub fn start(recording: &Recording, file: &Path) -> Result<Self> {
        fs::write(file, serde_json::to_vec(recording)?)?;
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).arg("--bare").arg(file).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut bare = Self { child, url: String::new() };
        BufReader::new(output).read_line(&mut bare.url)?;
        bare.url.truncate(bare.url.trim_end().len());
        if bare.url.is_empty() {
            bail!("the baseline does not start");
        }
        Ok(bare)
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for header in &self.headers {
            response.insert_header(header.clone());
        }
        if self.body.is_empty() { response.finish() } else { response.body(self.body.clone()) }
    }
}

type Place = web::Path<(String, String)>;

async fn get(answer: web::Data<Answer>, _place: Place) -> HttpResponse {
    answer.response()
}

async fn post(answer: web::Data<Answer>, _place: Place, _body: Bytes) -> HttpResponse {
    answer.response()
}

/// Answers this until it is killed. The first line of its output says where.
#[expect(clippy::print_stdout, reason = "the parent process reads where it listens")]
pub fn serve(recording: &Path) -> Result<()> {
    let recording: Recording = serde_json::from_slice(&fs::read(recording)?)?;
    let header = |(name, value): &(String, String)| Ok((name.parse()?, value.parse()?));
    let headers = recording.headers.iter().map(header).collect::<Result<Vec<_>>>()?;
    let status = StatusCode::from_u16(recording.status)?;
    let answer = web::Data::from(Arc::new(Answer { status, headers, body: Bytes::from(recording.body) }));
    let route = recording.route;
    System::new().block_on(async move {
        let app = move || {
            let resource = web::resource(route.as_str()).route(web::get().to(get)).route(web::post().to(post));
            App::new().app_data(answer.clone()).service(resource)
        };
        let server = HttpServer::new(app).bind(("127.0.0.1", 0))?;
        for address in server.addrs() {
            println!("http://{address}");
        }
        Ok(server.run().await?)
    })
}
