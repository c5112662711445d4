//! The reference page of all options and variables: `docs/reference/configuration.md`.

use greenroom_server::{LimitUnit, Limits};

use super::hooks::keys_of_reference;
use super::limits::variable_of;
use super::options::{Commands, OPTIONS, OptionSpec};
use super::value::{BYTE_UNITS, TIME_UNITS, in_words};
use crate::env_vars;
use crate::server_plan::Purpose;

const HEAD: &str = "\
# Configuration

<!-- Written by `greenroom config reference`; a test holds it against the binary. -->

A value is taken from the first that has one: flag, variable, file, default. The file is TOML, or the
same tree as JSON when its name ends in `.json`; `serve` and `dev` read the one that `--config`
names, `dev` also `./greenroom.toml` when it is there. A key that nobody knows is refused. Paths are
seen from the directory that the command runs in.

- `greenroom config show --origin` prints what holds, and where each value came from
- `greenroom config check FILE` says what is wrong with a file
- `greenroom config schema` prints its JSON Schema, for editors

Times are numbers of milliseconds, or texts: `500ms`, `30s`, `10m`, `1h`. Sizes are numbers of bytes,
or texts: `64KiB`, `16MiB`, `1GiB`. Lists in flags and variables have commas between. A secret is also
read from the file that its `_FILE` variable or `_file` key names, or from the file `greenroom.NAME` in
`$CREDENTIALS_DIRECTORY`.

SIGHUP makes a running server read the file, the keys and the files of secrets again. It says what it
took and what it could not; when anything is wrong, nothing changes. *Reload* says what it does with a
changed value: **taken** at once; **for new** rooms that are loaded and connections that are made from
then on; **restart**: not before a restart. Who is connected stays, with the rights that were given.

## Options
";

const ROOMS: &str = "
## Rooms

Each `[[rooms]]` is a rule for the rooms whose names match `pattern`: `*` stands for anything but `/`,
`**` for anything. A rule says only what it says: the rest is taken from the next rule that matches,
at last from the defaults.

| key | default | what |
|---|---|---|
| `pattern` | needed | the rooms |
| `kind` | `collab` | what they are: `collab` (documents), or a service: `relay`, `echo`, `counter` (restart) |
| `anonymous` | nothing where tokens are needed, else everything | what somebody without a token may do: a list of `read`, `write`, `presence` |
| `authenticated` | as `anonymous` | what somebody may do whose good token says nothing of the room; a token that names the room gives what it says, no more |
| `visibility` | `early` | when others see an edit of a document: `early`, while it is being stored, or `durable`, when it is on stable storage |
| `limits` | those of the server | limits of these rooms and of connections to them |

```toml
";

/// A file that the page shows; a test reads it.
pub(super) const EXAMPLE: &str = "\
# Everybody reads what is published, people with a token write too.
[[rooms]]
pattern = \"public/**\"
anonymous = [\"read\"]
authenticated = [\"read\", \"write\", \"presence\"]

# Nobody sees an edit of a contract that a crash could take back.
[[rooms]]
pattern = \"contracts/*\"
visibility = \"durable\"
limits = { document_bytes_max = \"4MiB\", room_connections_max = 20 }

[[rooms]]
pattern = \"counter/*\"
kind = \"counter\"
";

const HOOKS: &str = "
## Hooks

Each `[[hooks]]` is a rule for the webhooks of the rooms whose names match `pattern`; see the guide
[Hooks](../guides/hooks.md). A rule says only what it says, as those of `[[rooms]]`: so each key may
come from another rule.

| key | default | what |
|---|---|---|
";

/// Hooks that the page shows; a test reads them.
pub(super) const HOOKS_EXAMPLE: &str = "\
[[hooks]]
pattern = \"notes/**\"
on_change = \"https://app.example.com/greenroom/changed\"
on_unload = \"https://app.example.com/greenroom/unloaded\"
content = [\"json\", \"text\"]
quiet_ms = \"5s\"
wait_ms_max = \"1m\"
";

/// The page.
pub(crate) fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    for spec in OPTIONS {
        page.push_str(&option(spec));
    }
    page.push_str(ROOMS);
    page.push_str(EXAMPLE);
    page.push_str("```\n");
    page.push_str(HOOKS);
    for (key, usual, what) in keys_of_reference() {
        page.push_str(&format!("| `{key}` | {usual} | {what} |\n"));
    }
    page.push_str("\n```toml\n");
    page.push_str(HOOKS_EXAMPLE);
    page.push_str("```\n");
    page.push_str(
        "\n## Limits\n\nKeys of `[limits]`; `for new` rooms and connections. The variable of \
         `outbox_bytes_max` is\n`GREENROOM_LIMITS_OUTBOX_BYTES_MAX`, and so on.\n\n\
         | key | default | from | to | what |\n|---|---|---|---|---|\n",
    );
    for field in Limits::FIELDS {
        let units = match field.unit() {
            LimitUnit::Bytes => BYTE_UNITS,
            LimitUnit::Milliseconds => TIME_UNITS,
            LimitUnit::Count => &[],
        };
        let [usual, min, max] = [field.get(&Limits::default()), field.min, field.max]
            .map(|value| in_words(value, units));
        let doc: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
        debug_assert!(variable_of(field).ends_with(&field.name.to_ascii_uppercase()));
        let doc = doc.join(" ");
        page.push_str(&format!(
            "| `{}` | {usual} | {min} | {max} | {doc} |\n",
            field.name
        ));
    }
    page.push_str("\n## Other variables\n\n| variable | what |\n|---|---|\n");
    for variable in env_vars::ALL {
        page.push_str(&format!(
            "| `{}` | {} |\n",
            variable.name,
            variable.doc.trim()
        ));
    }
    page
}

fn option(spec: &OptionSpec) -> String {
    let mut variables: Vec<_> = spec.variables().map(|name| format!("`{name}`")).collect();
    if spec.secret {
        variables.push(format!("`{}_FILE`", spec.variable));
    }
    let flag = spec.flag.map_or_else(String::new, |flag| {
        if spec.is_switch {
            format!(" · flag `--{}`", flag.name)
        } else {
            format!(" · flag `--{} {}`", flag.name, flag.value)
        }
    });
    let commands = match spec.commands {
        Commands::Both => "",
        Commands::Dev => " · `dev` only",
        Commands::Serve => " · `serve` only",
    };
    let usual = |purpose| spec.default.for_purpose(purpose);
    let default = match (usual(Purpose::Serve), usual(Purpose::Dev)) {
        (Some(serve), Some(dev)) if serve != dev => {
            format!(" · default `{serve}`, in `dev` `{dev}`")
        }
        (Some(text), _) => format!(" · default `{text}`"),
        (None, _) => String::new(),
    };
    let reload = spec.reload.name();
    format!(
        "\n### `{}`\n\n{}.\n\nvariable {}{flag}{default}{commands} · reload: {reload}\n",
        spec.key,
        spec.doc_text(),
        variables.join(", "),
    )
}
