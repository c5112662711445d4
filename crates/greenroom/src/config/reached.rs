//! Values of how the server is reached: files, domains, proxies, the path it is mounted under.

use greenroom_server::{BasePath, BasePathError, TrustedProxies};
use serde_json::{Value as Json, json};

use super::problem::Wrong;
use super::value::{Given, Value};

/// Text that is not empty: the path of a file, an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// Several of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts(pub(crate) Vec<String>);

/// Proxies, as written and as they are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxies(pub(crate) Vec<String>, pub(crate) TrustedProxies);

/// The path that the server is mounted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount(pub(crate) BasePath);

impl Value for Text {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        match given.text()? {
            "" => Err(Wrong::new("it is empty")),
            text => Ok(Self(text.to_owned())),
        }
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.clone().into())
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Value for Texts {
    const IS_LIST: bool = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let texts = given.texts()?.into_iter();
        Ok(Self(texts.map(|(text, _)| text.to_owned()).collect()))
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.clone().into())
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": Text::schema() })
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

impl Value for Proxies {
    const IS_LIST: bool = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let texts = given.texts()?;
        for (text, node) in &texts {
            if let Err(error) = TrustedProxies::parse([*text]) {
                let wrong = Wrong::new(error.to_string()).hint(error.hint());
                return Err(match node {
                    Some(node) => wrong.at(node.span.clone()),
                    None => wrong,
                });
            }
        }
        let texts: Vec<_> = texts.iter().map(|(text, _)| (*text).to_owned()).collect();
        let proxies = TrustedProxies::parse(texts.iter().map(String::as_str));
        let proxies = proxies.map_err(|error| Wrong::new(error.to_string()))?;
        Ok(Self(texts, proxies))
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.clone().into())
    }

    fn schema() -> Json {
        Texts::schema()
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new(), TrustedProxies::default()))
    }
}

impl Value for Mount {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let path = given.text()?.parse();
        path.map(Self)
            .map_err(|error: BasePathError| Wrong::new(error.to_string()).hint(error.hint()))
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.as_str().into())
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(/[A-Za-z0-9_.-]+)*/?$" })
    }
}
