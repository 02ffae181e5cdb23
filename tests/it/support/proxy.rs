//! A wire that a test can cut: whatever goes through it arrives, until it does not.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// How often somebody looks whether things have changed.
const BLINK: Duration = Duration::from_millis(5);

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const REFUSING: u8 = 2;
const GONE: u8 = 3;

/// Forwards connections to another address.
pub struct Proxy {
    /// Its `host:port`.
    pub address: String,
    wire: Arc<Wire>,
}

struct Wire {
    target: String,
    state: AtomicU8,
    /// Both ends of every connection.
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A whole wire to this address.
    pub fn to(target: &str) -> Self {
        let address = format!("127.0.0.1:{}", super::free_port());
        let wire = Wire { target: target.to_owned(), state: AtomicU8::new(WHOLE), connections: Mutex::default() };
        let proxy = Self { address: address.clone(), wire: Arc::new(wire) };
        let wire = Arc::clone(&proxy.wire);
        let listener = TcpListener::bind(&address).expect("the port is free");
        thread::spawn(move || wire.listen(&address, listener));
        proxy
    }

    /// From now on nothing arrives, and nobody is told: connections stay open, and new ones are taken.
    pub fn cut(&self) {
        self.wire.state.store(CUT, Ordering::SeqCst);
    }

    /// Closes every connection, and refuses new ones.
    pub fn refuse(&self) {
        self.wire.state.store(REFUSING, Ordering::SeqCst);
        self.wire.close_all();
    }

    /// Makes the wire whole. What was held up while it was cut arrives now.
    pub fn heal(&self) {
        self.wire.state.store(WHOLE, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.state.store(GONE, Ordering::SeqCst);
        self.wire.close_all();
    }
}

impl Wire {
    fn state(&self) -> u8 {
        self.state.load(Ordering::SeqCst)
    }

    fn close_all(&self) {
        for connection in self.connections.lock().expect("no one panics with the connections in hand").drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn listen(self: Arc<Self>, address: &str, first: TcpListener) {
        let mut listener = Some(first);
        while self.state() != GONE {
            if self.state() == REFUSING {
                listener = None;
            } else if let Some(listener) = &listener {
                listener.set_nonblocking(true).expect("a listener need not wait");
                if let Ok((caller, _)) = listener.accept() {
                    let wire = Arc::clone(&self);
                    thread::spawn(move || wire.connect(&caller));
                    continue;
                }
            } else {
                listener = TcpListener::bind(address).ok();
            }
            thread::sleep(BLINK);
        }
    }

    fn connect(self: Arc<Self>, caller: &TcpStream) {
        caller.set_nonblocking(false).expect("a connection may wait");
        if !self.passes() {
            return;
        }
        let Ok(target) = TcpStream::connect(&self.target) else { return };
        let ends = [caller, &target].map(|end| {
            end.set_nodelay(true).expect("a connection may be quick");
            end.set_read_timeout(Some(BLINK * 4)).expect("a time-out can be set");
            end.try_clone().expect("a connection can be shared")
        });
        self.connections.lock().expect("no one panics with the connections in hand").extend(ends);
        let (back_from, back_to) = (target.try_clone(), caller.try_clone());
        let wire = Arc::clone(&self);
        thread::spawn(move || wire.pump(&back_from.expect("it was shared before"), &back_to.expect("it was, too")));
        self.pump(caller, &target);
    }

    /// Waits while the wire is cut. Whether something may go through then.
    fn passes(&self) -> bool {
        while self.state() == CUT {
            thread::sleep(BLINK);
        }
        self.state() == WHOLE
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer);
            match read {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if matches!(self.state(), WHOLE | CUT) {
                        continue;
                    }
                    break;
                }
                Ok(length @ 1..) if self.passes() && to.write_all(&buffer[..length]).is_ok() => {}
                // An end is not heard of either while the wire is cut.
                Ok(_) | Err(_) => {
                    self.passes();
                    break;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
