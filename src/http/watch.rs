//! Limits on connections that do nothing.
//!
//! actix-web times the first request head of a connection and nothing after it (seen on 4.18.1): once a request has been
//! answered, a single byte, or a body that is announced and never sent, would hold the socket for ever; so does a client
//! that never reads its answer. So every connection has a watch beside it: when no request is being worked on and nothing
//! has begun or ended for [`IDLE`], the socket is shut down under actix's hands.

use actix_web::{dev::Extensions, rt};
use std::{any::Any, cell::Cell, net::Shutdown, os::fd::AsFd, rc::Rc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// How long a connection may be without a request that is worked on: waiting for one, receiving its head, or taking its
/// answer.
pub(super) const IDLE: Duration = Duration::from_secs(15);

/// What is known of a connection. Lives among the connection's data, and is gone when the connection is.
pub(super) struct Watch {
    activity: Rc<Activity>,
    /// Dropped with the connection; so the watcher learns that there is nothing more to watch.
    _gone: oneshot::Sender<()>,
}

struct Activity {
    working: Cell<u32>,
    last: Cell<Instant>,
}

/// A request that is being worked on.
pub(super) struct Working(Rc<Activity>);

impl Watch {
    /// A request has arrived: until the answer is dropped, the connection is not idle.
    pub(super) fn begin(&self) -> Working {
        self.activity.working.set(self.activity.working.get() + 1);
        Working(Rc::clone(&self.activity))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.set(self.0.working.get().saturating_sub(1));
        self.0.last.set(Instant::now());
    }
}

/// Puts a watch beside a new connection. To be given to the server before any address is bound.
pub(super) fn on_connect(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() else { return };
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        tracing::warn!("a connection is not watched: too many open files");
        return;
    };
    let (gone, ended) = oneshot::channel();
    let activity = Rc::new(Activity { working: Cell::new(0), last: Cell::new(Instant::now()) });
    data.insert(Watch { activity: Rc::clone(&activity), _gone: gone });
    rt::spawn(watch(std::net::TcpStream::from(socket), activity, ended));
}

async fn watch(socket: std::net::TcpStream, activity: Rc<Activity>, mut ended: oneshot::Receiver<()>) {
    loop {
        let deadline = if activity.working.get() > 0 { Instant::now() } else { activity.last.get() } + IDLE;
        tokio::select! {
            _ = &mut ended => return,
            () = sleep_until(deadline) => {}
        }
        if activity.working.get() == 0 && activity.last.get().elapsed() >= IDLE {
            metrics::counter!("regcred_idle_connections_closed_total").increment(1);
            // Fails only if the other side was faster.
            let _ = socket.shutdown(Shutdown::Both);
            return;
        }
    }
}
