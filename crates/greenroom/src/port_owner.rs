//! Who holds a port: found where the system tells it to everybody (Linux), unknown elsewhere.

use std::net::SocketAddr;
use std::path::Path;

/// The longest command that is shown.
const COMMAND_CHARS_MAX: usize = 60;

/// A process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: u32,
    /// What was typed to start it.
    pub(crate) command: String,
}

/// The process that listens on `address`, as far as this user may see it.
pub(crate) fn of(address: SocketAddr) -> Option<Process> {
    let proc = Path::new("/proc");
    let inode = ["net/tcp", "net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(proc.join(table)).ok()?;
        listening_inode(&table, address.port()).map(str::to_owned)
    })?;
    let socket = format!("socket:[{inode}]");
    for entry in proc.read_dir().ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(files) = entry.path().join("fd").read_dir() else {
            continue;
        };
        let mut targets = files
            .flatten()
            .filter_map(|file| file.path().read_link().ok());
        if targets.any(|target| target.as_os_str() == &*socket) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            return Some(Process {
                pid,
                command: shown(&command),
            });
        }
    }
    None
}

/// The inode of the socket that listens on `port`, from a table like `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<&str> {
    const LISTENING: &str = "0A";
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        (local.ends_with(&port) && state == LISTENING && inode != "0").then_some(inode)
    })
}

/// `node\0server.js\0` as `node server.js`.
fn shown(arguments: &[u8]) -> String {
    let arguments = String::from_utf8_lossy(arguments);
    let text = arguments.trim_end_matches('\0').replace('\0', " ");
    let text: String = text.escape_debug().collect();
    if text.chars().count() <= COMMAND_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(COMMAND_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_told_from_a_connected_one() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0
";
        assert_eq!(listening_inode(table, 8080), Some("222"));
        assert_eq!(listening_inode(table, 8081), Some("333"));
        assert_eq!(listening_inode(table, 8082), None);
    }

    #[test]
    fn a_command_is_one_line() {
        assert_eq!(shown(b"node\0server.js\0"), "node server.js");
        assert_eq!(shown(b"a\nb\0"), "a\\nb");
        assert_eq!(shown(&[b'x'; 100]).chars().count(), COMMAND_CHARS_MAX);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = of(listener.local_addr().unwrap()).unwrap();
        assert_eq!(found.pid, std::process::id());
    }
}
