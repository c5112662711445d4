//! Runs the command in a directory of its own, without the environment of the tests.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use greenroom_server::auth::{Keys, SecretKey};
use tempfile::TempDir;

/// A secret key that is no secret: 32 bytes of 1.
pub(crate) const SECRET: &str = "sk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// The keys that [`SECRET`] makes.
pub(crate) fn secret_keys() -> Keys {
    Keys::none().with(SecretKey::from_seed([1; 32]))
}

/// A place to type commands in.
pub(crate) struct Shell {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command with these arguments, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        Ran::of(child.wait_with_output().unwrap())
    }

    /// The id of the key that signs, as the keys file in `data` says.
    pub(crate) fn key_id(&self, data: &str) -> String {
        let text = fs::read_to_string(self.path(data).join("keys.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys = file["keys"].as_array().unwrap();
        keys.last().unwrap()["id"].as_str().unwrap().to_owned()
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// With `name` wherever `text` stands, for what differs from run to run.
    pub(crate) fn naming(self, text: &str, name: &str) -> Self {
        assert!(!text.is_empty());
        Self {
            code: self.code,
            stdout: self.stdout.replace(text, name),
            stderr: self.stderr.replace(text, name),
        }
    }

    /// Compares everything at once, so that a failure shows everything.
    #[track_caller]
    pub(crate) fn check(&self, code: i32, stdout: &str, stderr: &str) {
        let told = format!(
            "[exit {:?}]\n[stdout]\n{}[stderr]\n{}",
            self.code, self.stdout, self.stderr
        );
        let expected = format!(
            "[exit {:?}]\n[stdout]\n{stdout}[stderr]\n{stderr}",
            Some(code)
        );
        assert!(
            told == expected,
            "--- expected\n{expected}\n--- was\n{told}"
        );
    }
}
