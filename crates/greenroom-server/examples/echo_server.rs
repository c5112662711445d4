//! A server whose rooms echo, for the judges of WebSocket servers: `make conformance`. Prints its
//! address. With `--compression` it takes up permessage-deflate.
//!
//! ```sh
//! cargo run --release -p greenroom-server --example echo_server -- --compression
//! ```
//!
//! Only two limits differ from the defaults: Autobahn sends messages of 16 MiB, and some of 4 MiB in
//! fragments of 64 bytes and an empty one.
#![expect(clippy::print_stdout, reason = "its address is its output")]

use std::error::Error;
use std::sync::Arc;

use greenroom_server::auth::{Authenticator, Keys, OriginPolicy, Reach};
use greenroom_server::store::FreeLimits;
use greenroom_server::{DataPlace, Front, Kind, Limits, Mode, Policy, Server, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let echo = Kind::built_in("echo").ok_or("no echo comes with the server")?;
    let settings = Settings {
        listen: "127.0.0.1:0".parse()?,
        data: DataPlace::Memory,
        mode: Mode::Serve,
        policy: Policy {
            limits: Arc::new(Limits {
                native_frame_bytes_max: 16 << 20,
                frame_fragments_max: (4 << 20) / 64 + 1,
                ..Limits::default()
            }),
            compression: std::env::args().any(|argument| argument == "--compression"),
            ..Policy::new(
                Authenticator::open(Keys::none()),
                OriginPolicy::new(Reach::Local, Vec::new()),
            )
        },
        kinds: vec![("**".parse()?, Some(echo))],
        disk_free: FreeLimits::default(),
        drain_ms: 5_000,
        front: Front::default(),
    };
    let server = Server::bind(settings).await?;
    println!("{}", server.local_addr());
    server.run(std::future::pending()).await;
    Ok(())
}
