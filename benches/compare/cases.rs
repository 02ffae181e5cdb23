//! The cases as requests, and what regcred answers to the first of each, for the baseline to repeat.

use crate::{
    arguments::{CREDENTIALS_OF_A_PROJECT, Case},
    bare::Recording,
    load::MARK,
    servers::Server,
    world::{self, EMAIL, PROJECTS_OF_AN_ORGANIZATION, USERNAME, World},
};
use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use regcred::domain::permission::Role;
use reqwest::{Method, Response, header::ETAG, redirect::Policy};
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
};

const AT_ONCE: usize = 16;
/// What every HTTP server writes by itself.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];
const PULL: &str = "/internal/v1/organizations/{organization}/projects/{project}/pull-secret";
const CREDENTIALS: &str = "/v1/organizations/{organization}/projects/{project}/credentials";

/// A case, ready to be measured.
pub struct Prepared {
    /// Which.
    pub case: Case,
    /// The file with its requests.
    pub requests: PathBuf,
    /// What the baseline answers.
    pub recording: Recording,
}

struct Request {
    method: Method,
    path: String,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Case {
    /// The listener that has the case.
    pub fn url(self, server: &Server) -> &str {
        match self {
            Self::Pull | Self::Image | Self::NotModified | Self::Scatter => &server.internal,
            Self::List | Self::Create => &server.public,
        }
    }

    fn route(self) -> &'static str {
        match self {
            Self::Pull | Self::Image | Self::NotModified | Self::Scatter => PULL,
            Self::List | Self::Create => CREDENTIALS,
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::Pull | Self::Image | Self::Scatter | Self::List => 200,
            Self::NotModified => 304,
            Self::Create => 201,
        }
    }

    /// How often a text stands in the answer that is the right one.
    fn holds(self) -> (&'static str, usize) {
        match self {
            Self::Pull | Self::Scatter => (r#""auth":"#, CREDENTIALS_OF_A_PROJECT),
            Self::Image => (r#""auth":"#, 1),
            Self::NotModified => ("{", 0),
            Self::List => (r#""server":"#, CREDENTIALS_OF_A_PROJECT),
            Self::Create => (r#""server":"#, 1),
        }
    }

    /// Whether each answer must have left an event.
    pub fn is_audited(self) -> bool {
        match self {
            Self::Pull | Self::Image | Self::Scatter | Self::Create => true,
            Self::NotModified | Self::List => false,
        }
    }

    /// Makes its requests, and sends the first to see what is answered.
    pub async fn prepare(self, world: &mut World) -> Result<Prepared> {
        let mut requests = self.requests(world).await?;
        shuffle(&mut requests);
        let http = client()?;
        let url = self.url(&world.servers[0]);
        if self == Self::NotModified {
            let known = requests.iter().map(|request| async {
                let etag = request.send(&http, url).await?.headers().get(ETAG).cloned();
                anyhow::Ok(etag.context("a pull secret has an ETag")?.to_str()?.to_owned())
            });
            let known: Vec<_> = stream::iter(known).buffered(AT_ONCE).try_collect().await?;
            for (request, etag) in requests.iter_mut().zip(known) {
                request.headers.push(("If-None-Match", etag));
            }
        }
        let recording = self.record(requests[0].send(&http, url).await?).await?;
        let path = world.file(&format!("{self}.requests"));
        let mut file = BufWriter::new(File::create(&path)?);
        for request in &requests {
            write!(file, "{}\t{}\t{}", request.method, request.path, request.body)?;
            for (name, value) in &request.headers {
                write!(file, "\t{name}: {value}")?;
            }
            writeln!(file)?;
        }
        file.flush()?;
        Ok(Prepared { case: self, requests: path, recording })
    }

    async fn requests(self, world: &mut World) -> Result<Vec<Request>> {
        let role = match self {
            Self::Pull | Self::Image | Self::NotModified => Role::Deployer,
            Self::List => Role::Viewer,
            Self::Create => Role::Editor,
            Self::Scatter => {
                let tokens = world.organization_tokens().await?;
                let token = |number: usize| &tokens[number / PROJECTS_OF_AN_ORGANIZATION];
                return Ok((0..world.projects).map(|number| self.request(number, token(number))).collect());
            }
        };
        let tokens = world.project_tokens(role).await?;
        Ok(tokens.iter().enumerate().map(|(number, token)| self.request(number, token)).collect())
    }

    fn request(self, number: usize, token: &str) -> Request {
        let project = world::project(number);
        let path = self.route().replace("{organization}", &project.organization.to_string());
        let mut path = path.replace("{project}", &project.project.to_string());
        let mut headers = vec![("Authorization", format!("Bearer {token}"))];
        let (mut method, mut body) = (Method::GET, String::new());
        match self {
            Self::Pull | Self::NotModified | Self::List | Self::Scatter => {}
            Self::Image => path.push_str("?image=registry-3.example.com/team/shop:1.0"),
            Self::Create => {
                let password = world::password();
                method = Method::POST;
                body = format!(
                    r#"{{"server":"s{MARK}.example.com","username":"{USERNAME}","email":"{EMAIL}","password":"{}"}}"#,
                    *password
                );
                headers.push(("Content-Type", "application/json".to_owned()));
            }
        }
        Request { method, path, body, headers }
    }

    async fn record(self, response: Response) -> Result<Recording> {
        let status = response.status().as_u16();
        let others = response.headers().iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()));
        let headers = others.map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())));
        let headers = headers.collect::<Result<Vec<_>>>()?;
        let body = response.text().await?;
        ensure!(status == self.status(), "{self} was answered {status}");
        let (text, times) = self.holds();
        let found = body.matches(text).count();
        ensure!(found == times, "the answer to {self} has {found} credentials in place of {times}");
        Ok(Recording { route: self.route().to_owned(), status, headers, body })
    }
}

impl Request {
    async fn send(&self, http: &reqwest::Client, url: &str) -> Result<Response> {
        let mut call = http.request(self.method.clone(), format!("{url}{}", self.path));
        for (name, value) in &self.headers {
            call = call.header(*name, value);
        }
        // Not one of the numbers that the load has.
        Ok(call.body(self.body.replace(MARK, "x00000000000")).send().await?)
    }
}

fn client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([]);
    Ok(builder.build()?)
}

/// The same disorder each time (xorshift64, Marsaglia 2003), so that runs can be compared.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for index in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(index + 1).expect("a length fits");
        items.swap(index, usize::try_from(state % bound).expect("it is below the length"));
    }
}
