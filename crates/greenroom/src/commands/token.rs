//! `token new`, `token admin`, `token verify`, `token init`.

use std::io::Read as _;
use std::path::Path;

use greenroom_server::auth::{
    CONSOLE_LINK_S_MAX, Claims, ConsoleLink, Grant, MintError, Pattern, Rights, TOKEN_BYTES_MAX,
    TokenError, create_keys, keys_path, new_token_id, rotate_keys,
};
use serde_json::json;

use crate::cli::{
    GlobalOptions, TokenAdminOptions, TokenInitOptions, TokenNewOptions, TokenVerifyOptions,
};
use crate::env_vars;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::key_source;
use crate::printer::Printer;
use crate::time_text::{about, now_unix_s, parse_duration_s, rfc3339};

/// Mints a token and prints it, alone.
pub(super) fn new(
    options: &TokenNewOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let claims = claims_of(options)?;
    let keys = key_source::for_tokens(options.keys.data.as_deref())?;
    let token = keys.mint(&claims).map_err(|error| match error {
        MintError::NotAccepted(_) => Failure::usage(error.to_string())
            .hint("fewer rooms: `docs/**` stands for all rooms under `docs/`"),
        _ => Failure::failed(error.to_string()),
    })?;
    let key_id = keys.signing().map(|key| key.id());
    printer.detail(&format!(
        "signed with key {}, good until {}",
        key_id.unwrap_or_default(),
        rfc3339(claims.exp)
    ));
    if global.json {
        let object = json!({ "token": token, "key_id": key_id, "expires_unix_s": claims.exp });
        printer.data(&object.to_string())?;
    } else {
        printer.data(&token)?;
    }
    Ok(ExitCode::Done)
}

fn claims_of(options: &TokenNewOptions) -> Result<Claims, Failure> {
    let ttl_s = ttl_s(&options.ttl)?;
    let rights = rights_of(&options.rights)?;
    let grant = |text: &String| {
        let pattern: Pattern = text
            .parse()
            .map_err(|e| Failure::usage(format!("--room `{}`: {e}", text.escape_debug())))?;
        Ok(Grant { pattern, rights })
    };
    let rooms: Vec<Grant> = options
        .room
        .iter()
        .map(grant)
        .collect::<Result<_, Failure>>()?;
    let now = now_unix_s();
    Ok(Claims {
        sub: options.user.clone(),
        name: options.name.clone(),
        info: None,
        rooms,
        iat: now,
        nbf: None,
        exp: now.saturating_add(ttl_s),
        admin: options.admin,
        jti: Some(new_token_id()?),
    })
}

fn ttl_s(text: &str) -> Result<u64, Failure> {
    parse_duration_s(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is not a time")).hint("write `90s`, `30m`, `1h` or `7d`")
    })
}

/// Prints a link that signs in to the console once.
pub(super) fn admin(
    options: &TokenAdminOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let ttl_s = ttl_s(&options.ttl)?;
    if ttl_s > CONSOLE_LINK_S_MAX {
        let why = format!(
            "a link is good for at most 24h, `{}` is longer",
            options.ttl
        );
        return Err(Failure::usage(why).hint("print a new one when it is needed"));
    }
    let keys = key_source::for_tokens(options.keys.data.as_deref())?;
    let now = now_unix_s();
    let link = ConsoleLink {
        sub: options.user.clone(),
        iat: now,
        exp: now.saturating_add(ttl_s),
        jti: new_token_id()?,
    };
    let token = keys
        .mint_console_link(&link)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let url = format!(
        "{}/console#token={token}",
        global.server.trim_end_matches('/')
    );
    printer.note(&format!(
        "good for one sign-in, for {}; who has the link may do everything",
        about(ttl_s)
    ));
    if global.json {
        let object = json!({ "url": url, "expires_unix_s": link.exp });
        printer.data(&object.to_string())?;
    } else {
        printer.data(&url)?;
    }
    Ok(ExitCode::Done)
}

fn rights_of(names: &[String]) -> Result<Rights, Failure> {
    names.iter().try_fold(Rights::NONE, |rights, name| {
        let right = Rights::from_name(name.trim()).ok_or_else(|| {
            Failure::usage(format!("`{name}` is not a right"))
                .hint(format!("rights are {}, with commas between", Rights::ALL))
        })?;
        Ok(rights | right)
    })
}

/// Checks a token and prints what it says.
pub(super) fn verify(
    options: &TokenVerifyOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let token = match (options.given.as_deref(), global.token.as_deref()) {
        (Some("-"), _) => read_stdin()?,
        (Some(given), _) | (None, Some(given)) => given.to_owned(),
        (None, None) => {
            return Err(Failure::usage("no token to check").hint(format!(
                "`greenroom token verify TOKEN`, `-` for stdin, or {}",
                env_vars::TOKEN
            )));
        }
    };
    let keys = key_source::for_tokens(options.keys.data.as_deref())?;
    let now = now_unix_s();
    let claims = keys.verify(&token, now).map_err(refusal)?;
    if global.json {
        let object = serde_json::to_string(&claims)
            .map_err(|e| Failure::failed(format!("the claims do not become JSON: {e}")))?;
        printer.data(&object)?;
    } else {
        printer.data(&told(&claims, now))?;
    }
    Ok(ExitCode::Done)
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(TOKEN_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text)
        .map_err(|e| Failure::failed(format!("cannot read stdin: {e}")))?;
    Ok(text.trim().to_owned())
}

fn refusal(error: TokenError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        TokenError::Expired(_) => {
            failure.hint("`greenroom token new` mints another; `--ttl` makes it last")
        }
        TokenError::UnknownKey => {
            failure.hint("`--data DIR` names the data directory of the server that minted it")
        }
        TokenError::Malformed(_) => {
            failure.hint("take it whole, as `greenroom token new` prints it: one line, two dots")
        }
        _ => failure,
    }
}

/// The claims for people, escaped: they hold whatever the issuer wrote.
fn told(claims: &Claims, now: u64) -> String {
    let mut lines = vec![format!("user     {}", claims.sub.escape_debug())];
    if let Some(name) = &claims.name {
        lines.push(format!("name     {}", name.escape_debug()));
    }
    if claims.admin {
        lines.push("admin    all rights in all rooms".to_owned());
    }
    for grant in &claims.rooms {
        lines.push(format!("room     {}  {}", grant.pattern, grant.rights));
    }
    if let Some(info) = &claims.info {
        lines.push(format!("info     {info}"));
    }
    lines.push(format!(
        "expires  {}  in {}",
        rfc3339(claims.exp),
        about(claims.exp.saturating_sub(now))
    ));
    lines.join("\n")
}

/// Creates the keys file, or adds a key to it, and prints where it is.
pub(super) fn init(
    options: &TokenInitOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    if options.data == ":memory:" {
        return Err(
            Failure::usage("a keys file needs a directory, not `:memory:`")
                .hint("`greenroom token init --data ./data`"),
        );
    }
    let data = Path::new(&options.data);
    let keys = if options.rotate {
        rotate_keys(data, now_unix_s())?
    } else {
        create_keys(data, now_unix_s())?
    };
    let path = keys_path(data);
    let key_id = keys.signing().map(|key| key.id()).unwrap_or_default();
    printer.note(&format!(
        "key {key_id} signs from now on, {} in all; only you can read the file",
        keys.iter().len()
    ));
    if options.rotate {
        printer.hint("restart the server, so that it learns of the new key");
    }
    if global.json {
        let object = json!({ "path": path, "key_id": key_id, "keys": keys.iter().len() });
        printer.data(&object.to_string())?;
    } else {
        printer.data(&path.display().to_string())?;
    }
    Ok(ExitCode::Done)
}
