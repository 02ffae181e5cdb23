//! A gate before a listener: every request goes through it, and a test decides about each.

use super::exchange;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What happens to a request.
pub enum Pass {
    /// It goes on to the listener, and the answer comes back.
    On,
    /// It goes on to the listener, and the answer does not come back.
    Lost,
    /// It does not go on, and this is answered.
    Answer(u16),
}

/// What a test decides.
type Rule = dyn Fn(&str, usize) -> Pass + Send + Sync;

/// A gate. It closes with the test.
pub struct Gate {
    /// Where to call it.
    pub url: String,
}

impl Gate {
    /// A gate before a listener. The rule is told the method and, from 1, how many of it there were; what it does is done before
    /// the request goes on.
    pub fn before(listener: &str, rule: impl Fn(&str, usize) -> Pass + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let url = format!("http://{}", socket.local_addr().expect("it is bound"));
        let keeper = Arc::new(Keeper {
            listener: listener.to_owned(),
            rule: Box::new(rule),
            posts: 0.into(),
            patches: 0.into(),
        });
        thread::spawn(move || {
            for caller in socket.incoming().flatten() {
                let keeper = Arc::clone(&keeper);
                thread::spawn(move || keeper.serve(caller));
            }
        });
        Self { url }
    }
}

struct Keeper {
    listener: String,
    rule: Box<Rule>,
    posts: AtomicUsize,
    patches: AtomicUsize,
}

impl Keeper {
    fn serve(&self, mut caller: TcpStream) {
        let mut reader = BufReader::new(caller.try_clone().expect("a connection can be shared"));
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            // A caller who says nothing more has left.
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut words = lines[0].split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers: Vec<_> = lines[1..].iter().filter_map(|line| line.split_once(": ")).collect();
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a length is a number"))];
        reader.read_exact(&mut body).expect("the body comes whole");
        let own = ["host", "connection", "content-length"];
        let headers: Vec<_> =
            headers.into_iter().filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str())).collect();
        let number = match method {
            "POST" => self.posts.fetch_add(1, Ordering::SeqCst) + 1,
            "PATCH" => self.patches.fetch_add(1, Ordering::SeqCst) + 1,
            _ => 0,
        };
        let pass = (self.rule)(method, number);
        let (head, body) = match pass {
            Pass::Answer(status) => (format!("HTTP/1.1 {status} No"), Vec::new()),
            Pass::On | Pass::Lost => {
                let reply = exchange(&self.listener, method, target, &headers, &body);
                let kept = reply.head.lines().filter(|line| {
                    let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                    !["connection", "content-length", "transfer-encoding"].contains(&name.as_str())
                });
                (kept.collect::<Vec<_>>().join("\r\n"), reply.body)
            }
        };
        if !matches!(pass, Pass::Lost) {
            let frame = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            // He may have left.
            let _ = caller.write_all(&[frame.as_bytes(), &body].concat());
        }
    }
}
