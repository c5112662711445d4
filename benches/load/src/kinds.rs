//! The servers under test, as data.

use anyhow::{Context, Result};

use crate::dialect::Dialect;

/// A server that can be measured. In its words `{peers}` is `benches/peers`, `{greenroom}` and
/// `{floor}` are the release builds, `{port}` is a free port and `{data}` an empty directory.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What it is called in results.
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) command: &'static [&'static str],
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Whether rooms outlive a restart.
    pub(crate) durable: bool,
    /// Answers below 500 when it is ready.
    pub(crate) ready: &'static str,
    /// How long after the last update it may still work for it at least, in seconds.
    pub(crate) settle_s: f64,
    /// Where its version stands.
    pub(crate) version: Version,
}

/// Where the version of a server stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    /// Its program says so when it is asked with `--version`.
    Program,
    /// In the description of this installed npm package.
    Package(&'static str),
    /// In cargo's list of installed programs, next to this one.
    Crate(&'static str),
    /// It is fixed with this repository.
    Repository,
}

const GREENROOM: &str = "{greenroom}";
const ADDRESS: &str = "127.0.0.1:{port}";
const Y_WEBSOCKET: &str = "{peers}/node_modules/@y/websocket-server/src/server.js";
const HOCUSPOCUS: &str = "{peers}/hocuspocus.mjs";

/// All servers that can be measured.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "greenroom-memory",
        command: &[GREENROOM, "dev", "--listen", ADDRESS, "--data", ":memory:"],
        durable: false,
        ..OURS
    },
    Kind {
        name: "greenroom-durable",
        ..OURS
    },
    Kind {
        name: "greenroom-counter",
        dialect: Dialect::Counter,
        command: &[
            GREENROOM,
            "dev",
            "--listen",
            ADDRESS,
            "--data",
            "{data}",
            "--rooms",
            "counter/*=counter",
        ],
        ..OURS
    },
    Kind {
        name: "greenroom-hocuspocus",
        dialect: Dialect::Hocuspocus,
        ..OURS
    },
    FLOOR,
    Kind {
        name: "floor-direct",
        environment: &[("PORT", "{port}"), ("FLOOR_MODE", "direct")],
        ..FLOOR
    },
    Kind {
        name: "y-websocket",
        environment: &[("HOST", "127.0.0.1"), ("PORT", "{port}"), PRODUCTION],
        durable: false,
        ..Y_WEBSOCKET_LEVELDB
    },
    Y_WEBSOCKET_LEVELDB,
    Kind {
        name: "hocuspocus",
        environment: &[("PORT", "{port}"), PRODUCTION],
        durable: false,
        ..HOCUSPOCUS_SQLITE
    },
    HOCUSPOCUS_SQLITE,
    Kind {
        name: "y-sweet",
        dialect: Dialect::YSweet,
        command: &[
            "{peers}/y-sweet/bin/y-sweet",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "{data}",
        ],
        environment: &[],
        durable: true,
        ready: "/ready",
        // Its checkpoints, every 10 s, mostly fall outside what is measured: to its favour.
        settle_s: 0.0,
        version: Version::Crate("y-sweet"),
    },
];

const OURS: Kind = Kind {
    name: "greenroom",
    dialect: Dialect::Yjs,
    command: &[GREENROOM, "dev", "--listen", ADDRESS, "--data", "{data}"],
    environment: &[],
    durable: true,
    ready: "/readyz",
    settle_s: 0.0,
    version: Version::Program,
};

const FLOOR: Kind = Kind {
    name: "floor",
    dialect: Dialect::Yjs,
    command: &["{floor}"],
    environment: &[("PORT", "{port}")],
    durable: false,
    ready: "/",
    settle_s: 0.0,
    version: Version::Repository,
};

const PRODUCTION: (&str, &str) = ("NODE_ENV", "production");

const Y_WEBSOCKET_LEVELDB: Kind = Kind {
    name: "y-websocket-leveldb",
    dialect: Dialect::YWebsocket,
    command: &["node", Y_WEBSOCKET],
    environment: &[
        ("HOST", "127.0.0.1"),
        ("PORT", "{port}"),
        ("YPERSISTENCE", "{data}/leveldb"),
        PRODUCTION,
    ],
    durable: true,
    ready: "/",
    settle_s: 0.0,
    version: Version::Package("@y/websocket-server"),
};

const HOCUSPOCUS_SQLITE: Kind = Kind {
    name: "hocuspocus-sqlite",
    dialect: Dialect::Hocuspocus,
    command: &["node", HOCUSPOCUS],
    environment: &[
        ("PORT", "{port}"),
        ("SQLITE_FILE", "{data}/hocuspocus.sqlite"),
        PRODUCTION,
    ],
    durable: true,
    ready: "/",
    // It stores 2 s after the last update.
    settle_s: 3.0,
    version: Version::Package("@hocuspocus/server"),
};

/// The server called `name`.
///
/// # Errors
/// When there is none; the error lists those that there are.
pub(crate) fn kind(name: &str) -> Result<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .with_context(|| {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("no server {name}; there are {}", names.join(", "))
        })
}
