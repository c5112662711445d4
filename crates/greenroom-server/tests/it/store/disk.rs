//! Disks that are full or read-only: small file systems of their own, where this process may mount
//! some.

use std::process::Command;

use super::*;
use greenroom_core::store::StoreError;

/// A file system in memory, gone with this value.
struct Mount(TempDir);

impl Mount {
    /// `None`, said loudly, where mounting is not allowed.
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn new(test: &str, options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(directory));
        }
        println!("SKIPPED {test}: this process may not mount a file system");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: the store under test may still hold its files.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let Some(mount) = Mount::new("a_full_disk_refuses_and_recovers", "size=2m") else {
        return;
    };
    let ballast = mount.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let data = mount.0.path().join("data");
    let mut store = open(&data).unwrap();
    let lease = acquire(&mut store, "a").lease;
    let mut answered = 0;
    let refused = loop {
        match one(&mut store, append("a", lease, answered + 1, 20_000)) {
            StoreReply::Done => answered += 1,
            other => break other,
        }
        store.maintain();
    };
    assert_eq!(refused, StoreReply::Failed(StoreError::Full));
    assert!(answered > 0);
    assert_eq!(count_whole(&mut store, "a"), answered);
    assert_eq!(store.health().read_only, None);
    std::fs::remove_file(ballast).unwrap();
    let reply = one(&mut store, append("a", lease, answered + 1, 20_000));
    assert_eq!(reply, StoreReply::Done, "there is space again");
    drop(store);
    assert_eq!(count_whole(&mut open(&data).unwrap(), "a"), answered + 1);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    let Some(mount) = Mount::new("a_disk_that_is_full_at_the_start_is_named", "size=64k") else {
        return;
    };
    std::fs::write(mount.0.path().join("ballast"), vec![0; 48 << 10]).unwrap();
    assert_eq!(open(mount.0.path()).unwrap_err(), OpenError::Full);
}

#[test]
fn a_read_only_disk_is_named() {
    let Some(mount) = Mount::new("a_read_only_disk_is_named", "size=4m") else {
        return;
    };
    let data = mount.0.path().join("data");
    drop(open(&data).unwrap());
    mount.remount("ro");
    assert_eq!(open(&data).unwrap_err(), OpenError::ReadOnly);
    let missing = DataDirectory::open(&mount.0.path().join("other"));
    assert_eq!(missing.unwrap_err(), OpenError::ReadOnly);
    mount.remount("rw");
    open(&data).unwrap();
}
