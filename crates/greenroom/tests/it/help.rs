use crate::command::Shell;

const HELP: &str = "\
Realtime rooms over WebSockets: presence and shared documents

Usage: greenroom <COMMAND>

Start
  dev          Run a local server: open access, demo page      greenroom dev
  serve        Run a server for others                         greenroom serve --data ./data
Use
  room         List, show, tail, export, import rooms          greenroom room ls
  token        Create and check keys and tokens                greenroom token new --user ada --room 'docs/*'
Operate
  config       Show, check and explain the configuration       greenroom config show
  health       Ask a server whether it is ready (for probes)   greenroom health
  backup       Copy a running store into a file                greenroom backup store.backup
  restore      Make a data directory out of a backup           greenroom restore store.backup --data ./data
  completions  Print completions for a shell                   greenroom completions bash

Options
  -s, --server <URL>   Server to talk to [env: GREENROOM_URL] [default: http://127.0.0.1:8080]
      --token <TOKEN>  Admin or room token [env: GREENROOM_TOKEN]
      --json           Machine-readable output
      --color <WHEN>   Colours in the output [default: auto] [possible values: auto, always, never]
  -q, --quiet          Errors and warnings only
  -v, --verbose        More of what happens and why
  -h, --help           Print help
  -V, --version        Print version

`greenroom help <COMMAND>` has examples.
";

#[test]
fn help_is_data_when_asked_for() {
    Shell::new().run(&["--help"]).check(0, HELP, "");
    Shell::new().run(&["help"]).check(0, HELP, "");
}

#[test]
fn no_arguments_get_help_and_a_usage_code() {
    Shell::new().run(&[]).check(2, "", HELP);
}

#[test]
fn the_version_is_one_line() {
    Shell::new().run(&["-V"]).check(0, "greenroom 0.1.0\n", "");
}

#[test]
fn help_of_a_command_ends_in_examples() {
    Shell::new().run(&["help", "serve"]).check(
        0,
        "\
Run a server for others

Usage: greenroom serve [OPTIONS]

Options:
      --listen <ADDR:PORT>           Address and port to listen on; port 0 picks a free one. PORT, set by hosting platforms, replaces the port of the file or the default [default: 127.0.0.1:8080] [env: GREENROOM_LISTEN]
      --data <DIR>                   Where data is kept; `:memory:` keeps nothing [default: ./data] [env: GREENROOM_DATA]
      --insecure[=<YES>]             Ask nobody for a token: anyone who reaches the port can read and change every room [env: GREENROOM_INSECURE]
      --origin <ORIGIN>              Pages that may connect: `https://app.example.com`, `*.example.com` or `*`; repeatable [env: GREENROOM_ORIGIN]
      --rooms <PATTERN=KIND>         What rooms are, by name: `counter/*=counter` (kinds: collab, relay, echo, counter); repeatable. Rules of the file say more: rights, visibility, limits [env: GREENROOM_ROOMS]
      --hooks <HOOK:PATTERN=URL>     Webhooks, by name: `on_change:notes/*=https://app.example.com/changed`; repeatable. Rules of the file say more: what is told, and when [env: GREENROOM_HOOKS]
      --webhooks-private <NETS>      Private addresses that webhooks may go to: addresses, blocks (`10.0.0.0/8`) or `private`; without it they go to the public internet only [env: GREENROOM_WEBHOOKS_PRIVATE]
      --compression[=<YES>]          Compress what connections that ask for it are sent: fewer bytes for more processor time [env: GREENROOM_COMPRESSION]
      --free-bytes-min <SIZE>        Refuse writes while fewer bytes than this are free on the disk of the data [default: 256MiB] [env: GREENROOM_FREE_BYTES_MIN]
      --free-percent-min <N>         Refuse writes while less of the disk is free, if that is less than those bytes [default: 5] [env: GREENROOM_FREE_PERCENT_MIN]
      --tls-cert <FILE>              Certificate with its chain (PEM): serve https and wss. It is read anew when it changes, and on SIGHUP [env: GREENROOM_TLS_CERT]
      --tls-key <FILE>               The private key of the certificate (PEM) [env: GREENROOM_TLS_KEY]
      --acme <DOMAIN>                Get a certificate for this domain from Let's Encrypt, which must reach the server on port 443; repeatable. Only in a program that was built with `--features acme` [env: GREENROOM_ACME]
      --acme-email <EMAIL>           Who is told before that certificate ends [env: GREENROOM_ACME_EMAIL]
      --acme-directory <URL>         Another ACME directory than Let's Encrypt's [env: GREENROOM_ACME_DIRECTORY]
      --trusted-proxies <ADDRESSES>  Proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` are believed: addresses, blocks (`10.0.0.0/8`) or `private`; repeatable [env: GREENROOM_TRUSTED_PROXIES]
      --proxy-protocol[=<YES>]       Trusted proxies begin each connection with a PROXY header (version 1 or 2) [env: GREENROOM_PROXY_PROTOCOL]
      --base-path <PATH>             Path that the server is mounted under, for example `/collab`; it answers with and without it [default: /] [env: GREENROOM_BASE_PATH]
      --connections-per-ip-max <N>   WebSocket connections of one address, of IPv6 of one /64; without it there is no limit, since a school, or a proxy that is not trusted, is one address [env: GREENROOM_CONNECTIONS_PER_IP_MAX]
      --drain <TIME>                 How long a stop may take: rooms are committed and connections closed meanwhile. Supervisors usually grant 30 s [default: 25s] [env: GREENROOM_DRAIN_MS]
      --log <FORM>                   Form of the log; auto: text on a terminal, else JSON [default: auto] [possible values: auto, text, json] [env: GREENROOM_LOG_FORM]
      --log-filter <FILTER>          What is logged: `warn`, `info`, `debug`, or by place: `info,greenroom_server=debug`; without it `--quiet` and `--verbose` decide [env: GREENROOM_LOG]
      --config <FILE>                Configuration file, TOML or JSON [env: GREENROOM_CONFIG]
  -h, --help                         Print help

Everywhere:
  -s, --server <URL>   Server to talk to [env: GREENROOM_URL] [default: http://127.0.0.1:8080]
      --token <TOKEN>  Admin or room token [env: GREENROOM_TOKEN]
      --json           Machine-readable output
      --color <WHEN>   Colours in the output [default: auto] [possible values: auto, always, never]
  -q, --quiet          Errors and warnings only
  -v, --verbose        More of what happens and why

Without a key it listens on this machine only. Keys come from `greenroom token init`, from GREENROOM_SECRET_KEY, or from the file that GREENROOM_SECRET_KEY_FILE names.

Examples:
  greenroom token init && greenroom serve --listen 0.0.0.0:8080
  greenroom serve --data /var/lib/greenroom --origin https://app.example.com
",
        "",
    );
}

#[test]
fn an_unknown_flag_ends_in_a_hint() {
    Shell::new().run(&["serve", "--bogus"]).check(
        2,
        "",
        "\
error: unexpected argument '--bogus' found

Usage: greenroom serve [OPTIONS]

hint: `--help` shows what there is
",
    );
}

#[test]
fn an_unknown_command_is_guessed() {
    Shell::new().run(&["srve"]).check(
        2,
        "",
        "\
error: unrecognized subcommand 'srve'

hint: a similar subcommand exists: 'serve'

Usage: greenroom [OPTIONS] <COMMAND>

hint: `--help` shows what there is
",
    );
}

#[test]
fn help_never_shows_what_the_environment_holds() {
    let shell = Shell::new()
        .set("GREENROOM_TOKEN", "a-token-of-mine")
        .set("CLICOLOR_FORCE", "1");
    for arguments in [&["--help"][..], &["help", "dev"], &["token", "new"]] {
        let ran = shell.run(arguments);
        assert!(!ran.stdout.contains("a-token-of-mine") && !ran.stderr.contains("a-token-of-mine"));
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("\x1b["));
    }
}
