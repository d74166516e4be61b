//! `idforge generate`: one id.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use idforge::{IdBuilder, Value};
use serde_json::json;

use super::Failure;
use super::settings::Settings;

/// Forge one id and print it.
///
/// ARGs and the values of -a are strings; --json gives numbers, booleans, lists and the rest. Nothing is trimmed.
#[derive(Args)]
pub(crate) struct Generate {
    /// What the id is of, such as `order`
    #[arg(value_name = "TYPE")]
    entity_type: String,
    /// Positional arguments, as strings; put `--` before one that starts with a hyphen
    #[arg(value_name = "ARG")]
    args: Vec<String>,
    /// An attribute, its value a string
    #[arg(short = 'a', long = "attr", value_name = "KEY=VALUE", value_parser = attribute)]
    attrs: Vec<(String, String)>,
    /// Attributes as a JSON object, with the types that JSON has and the `$py` tags
    #[arg(long, value_name = "OBJECT", value_parser = attributes)]
    json: Option<Attributes>,
    #[command(flatten)]
    settings: Settings,
    /// Put this before the id
    #[arg(long)]
    prefix: Option<String>,
    /// What stands between prefix and id
    #[arg(long, default_value = "-", requires = "prefix")]
    separator: String,
    /// Take all that uuid-forge takes, even what collides, and no salt at all
    #[arg(long)]
    lenient: bool,
    /// Print an object that says what the id was made of, without the salt
    #[arg(long)]
    json_output: bool,
}

impl Generate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let forge = self.settings.defaults(self.lenient)?.forge(None, None)?;
        let id = self.attributes(self.args.iter().fold(forge.id(&self.entity_type), IdBuilder::arg));
        let uuid = id.clone().finish()?;
        let text = match self.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => id.finish_prefixed(prefix, &self.separator)?,
            None => uuid.to_string(),
        };
        let mut out = io::stdout().lock();
        if self.json_output {
            let object = json!({
                "id": text,
                "uuid": uuid,
                "entity_type": self.entity_type,
                "prefix": self.prefix,
                "namespace": forge.namespace().domain(),
                "namespace_uuid": forge.namespace().uuid(),
                "salt_fingerprint": forge.fingerprint().to_string(),
            });
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{text}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn attributes<'a>(&'a self, id: IdBuilder<'a>) -> IdBuilder<'a> {
        let id = self.attrs.iter().fold(id, |id, (key, value)| id.attr(key, value));
        let members = self.json.iter().flat_map(|Attributes(members)| members);
        members.fold(id, |id, (key, value)| id.attr(key, value))
    }
}

/// The members of the object behind `--json`.
#[derive(Clone)]
struct Attributes(Vec<(String, Value)>);

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn attributes(text: &str) -> Result<Attributes, String> {
    let wanted = || "write a JSON object, such as {\"id\": 7}".to_owned();
    let Value::Map(members) = Value::from_json_text(text).map_err(|error| error.to_string())? else {
        return Err(wanted());
    };
    let member = |(key, value)| if let Value::Text(key) = key { Ok((key, value)) } else { Err(wanted()) };
    members.into_iter().map(member).collect::<Result<_, _>>().map(Attributes)
}
